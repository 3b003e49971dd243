// The compose file is checked against what it refers to: container files, ports, volumes, paths; and by compose itself
// on machines that have it.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { loadConfig } from "../../lib/config/load.ts";
import { runCommand } from "../harness/program.ts";
import { exists, findProgram } from "./engine.ts";

const DEPLOY = fileURLToPath(new URL("../../deploy", import.meta.url));
const FILE = path.join(DEPLOY, "compose.yaml");

interface ComposeService {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly command?: readonly string[];
  readonly network_mode?: string;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
}

interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const compose: ComposeFile = parse(await readFile(FILE, "utf8"));
const ours = Object.entries(compose.services).filter(([, service]) => service.build !== undefined);

/** The compose command of this machine, or null. */
async function composeCommand(): Promise<string[] | null> {
  if ((await findProgram("docker-compose")) !== null) return ["docker-compose"];
  if ((await findProgram("docker")) === null) return null;
  const { code } = await runCommand("docker", ["compose", "version"]);
  return code === 0 ? ["docker", "compose"] : null;
}

const command = await composeCommand();

describe("deploy/compose.yaml", () => {
  test("is accepted by compose", {
    skip: command === null ? "compose is not installed" : false,
  }, async () => {
    const [program, ...args] = command ?? [];
    assert.ok(program !== undefined);
    const { code, stderr } = await runCommand(program, [...args, "-f", FILE, "config", "-q"]);
    assert.equal(code, 0, stderr);
  });

  test("runs a builder, a launcher and a real ZooKeeper", () => {
    assert.deepEqual(Object.keys(compose.services).sort(), ["builder", "launcher", "zookeeper"]);
    assert.match(compose.services.zookeeper?.image ?? "", /^docker\.io\/library\/zookeeper:3\.\d+$/);
  });

  test("builds from container files that exist", async () => {
    for (const [name, { build }] of ours) {
      assert.ok(build !== undefined);
      const file = path.join(DEPLOY, build.context, build.dockerfile);
      assert.ok(await exists(file), `${name}: there is no ${file}`);
    }
  });

  test("listens on loopback only: the API has no authentication", () => {
    for (const [name, service] of Object.entries(compose.services)) {
      for (const port of service.ports ?? []) assert.match(port, /^127\.0\.0\.1:/, name);
    }
    for (const [name, service] of ours) {
      const listen = service.command?.[service.command.indexOf("--listen") + 1];
      assert.match(listen ?? "", /^127\.0\.0\.1:\d+$/, name);
    }
  });

  test("declares each volume that is mounted and mounts each that is declared", () => {
    const mounted = Object.values(compose.services).flatMap(({ volumes = [] }) =>
      volumes.map((volume) => volume.split(":")[0] ?? "").filter((source) => /^\w/.test(source)),
    );
    assert.deepEqual([...new Set(mounted)].sort(), Object.keys(compose.volumes).sort());
  });

  test("runs an example configuration whose ZooKeeper is the one that it starts", async () => {
    const mounts = compose.services.launcher?.volumes?.filter((volume) => volume.includes(".yaml")) ?? [];
    const file = path.join(DEPLOY, /:-([^}]+)\}:/.exec(mounts[0] ?? "")?.[1] ?? "");
    const { zookeeper, elementsDir } = await loadConfig(file, { env: { NODEPOOL_AUTHORIZED_KEYS: "" } });
    const [, published] = compose.services.zookeeper?.ports?.[0]?.split(":") ?? [];
    assert.deepEqual(
      zookeeper?.servers.map(({ host, port }) => `${host}:${port}`),
      [`localhost:${published}`],
    );
    assert.equal(elementsDir, path.join(path.dirname(file), "elements"));
  });

  test("starts builder and launcher once ZooKeeper is healthy, and probes all three", () => {
    for (const [name, service] of Object.entries(compose.services)) {
      assert.ok((service.healthcheck?.test.length ?? 0) > 0, `${name} has no health check`);
    }
    for (const [name, service] of ours) {
      assert.equal(service.depends_on?.zookeeper?.condition, "service_healthy", name);
    }
  });
});
