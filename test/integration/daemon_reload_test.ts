// A launcher as a process of its own whose file is broken, mended and replaced: what it says, and to whom.
import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { connectClients } from "../../lib/rpc/client.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { startEmbeddedServer } from "../../lib/zookeeper/embedded/server.ts";
import { until } from "../harness/launcher.ts";
import { freePort } from "../harness/ports.ts";
import { PROJECT, runCommand, runProgram, startProgram } from "../harness/program.ts";
import { TcpProxy } from "../harness/tcp_proxy.ts";

const PATIENCE_MS = 60_000;

/** The health of a matter: `config` or `providers`. */
async function health(address: string, service: "config" | "providers"): Promise<string> {
  const { stdout } = await runCommand(join(PROJECT, "node_modules/.bin/buf"), [
    ..."curl --protocol grpc --http2-prior-knowledge -d".split(" "),
    JSON.stringify({ service }),
    `http://${address}/grpc.health.v1.Health/Check`,
  ]);
  return (JSON.parse(stdout) as { status: string }).status;
}

test("a launcher takes what is good of its file, says once what is not, and shows both everywhere", async () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-reload-"));
  const server = await startEmbeddedServer({ dataDir: join(folder, "zk"), port: 0, logger: silentLogger });
  const file = join(folder, "nodepool.yaml");
  const text = (...labels: string[]) => `zookeeper-servers: [{host: 127.0.0.1, port: ${server.port}}]
labels: [${labels.map((name) => `{name: ${name}}`).join(", ")}]
providers:
- name: cloud
  driver: fake
  cloud-images: [{name: image}]
  pools: [{name: main, labels: [${labels.map((name) => `{name: ${name}, cloud-image: image}`).join(", ")}]}]
- {name: cluster, driver: kubernetes, pools: [{name: main, labels: []}]}
`;
  let count = 0;
  /** Replaces the file as editors do. */
  const replace = (next: string) => {
    count += 1;
    writeFileSync(`${file}.${count}`, next);
    renameSync(`${file}.${count}`, file);
  };
  replace(text("one"));
  const address = `127.0.0.1:${await freePort()}`;
  const daemon = startProgram(
    "services/launcher/main.ts",
    ["-c", file, "--listen", address, "--log-format", "text"],
    {
      OTEL_METRICS_EXPORTER: "console",
      OTEL_METRIC_EXPORT_INTERVAL: "500",
      OTEL_METRIC_EXPORT_TIMEOUT: "400",
    },
  );
  const clients = connectClients({ launcherAddress: address, builderAddress: address });
  const state = async () => (await clients.launcherConfig.getConfig({})).config;
  const generation = (wanted: bigint) =>
    until(`generation ${wanted}`, async () => (await state())?.generation === wanted, PATIENCE_MS);
  const components = async () => (await clients.components.listComponents({})).components;
  try {
    await daemon.waitFor(/provider is not served.*kubernetes/, PATIENCE_MS);
    await daemon.waitFor(/INFO nodepool-launcher: serving/, PATIENCE_MS);
    await generation(1n);
    assert.equal(await health(address, "config"), "SERVING");
    assert.equal(await health(address, "providers"), "NOT_SERVING");

    replace("labels: [{name: one, min-ready: many}]\n");
    const problems = await until(
      "problems",
      async () => {
        const found = (await state())?.problems ?? [];
        return found.length > 0 ? found : null;
      },
      PATIENCE_MS,
    );
    assert.match(problems.join(), /nodepool\.yaml:1:\d+: labels\[0\]\.min-ready: must be a whole number/);
    assert.equal(await health(address, "config"), "NOT_SERVING");
    await daemon.waitFor(/nodepool\.config\.valid[\s\S]{0,2000}?value: 0/, PATIENCE_MS);
    for (let times = 0; times < 3; times += 1) {
      process.kill(daemon.pid, "SIGHUP");
      const { changed } = await clients.launcherConfig.reloadConfig({});
      assert.equal(changed, false);
    }
    assert.equal(daemon.output().match(/the old one stays/g)?.length, 1);
    const pools = (await components()).filter(({ kind }) => kind === "pool");
    assert.deepEqual(
      pools.flatMap(({ labels }) => labels),
      ["one"],
    );

    replace(text("one", "two"));
    await generation(2n);
    const { hash = "", problems: none } = (await state()) ?? {};
    assert.deepEqual(none, []);
    await until("the record", async () => {
      const [own] = (await components()).filter(({ kind }) => kind === "launcher");
      return own?.configHash === hash && own.configGeneration === 2n;
    });
    assert.equal(await health(address, "config"), "SERVING");

    // As a Kubernetes ConfigMap: a link to a folder that another takes the place of.
    for (const [index, labels] of [["three"], ["four"]].entries()) {
      const version = join(folder, `..v${index}`);
      writeFileSync(`${version}.yaml`, text(...labels));
      symlinkSync(`${version}.yaml`, `${file}.link`);
      renameSync(`${file}.link`, file);
      await generation(BigInt(3 + index));
    }
    replace(text("five").replace(/^- \{name: cluster.*\n/m, ""));
    process.kill(daemon.pid, "SIGHUP");
    await generation(5n);
    assert.equal(await health(address, "providers"), "SERVING");
    const plan = await runProgram("services/cli/main.ts", ["config-validate", "--by-daemon", "-c", file], {
      NODEPOOL_LAUNCHER_ADDRESS: address,
    });
    assert.equal(plan.code, 0, plan.stdout + plan.stderr);
    process.kill(daemon.pid, "SIGTERM");
    assert.equal(await daemon.ended(), 0);
  } finally {
    clients.close();
    await daemon.stop("SIGKILL").catch(() => null);
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a change that is made while ZooKeeper is away is taken as soon as it is there again", async () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-reload-"));
  const server = await startEmbeddedServer({ dataDir: join(folder, "zk"), port: 0, logger: silentLogger });
  const proxy = new TcpProxy(server);
  await proxy.listen();
  const file = join(folder, "nodepool.yaml");
  const write = (label: string) =>
    writeFileSync(
      file,
      `zookeeper-servers: [{host: 127.0.0.1, port: ${proxy.port}}]
zookeeper-timeout: 4
labels: [{name: ${label}}]
providers:
- name: cloud
  driver: fake
  cloud-images: [{name: image}]
  pools: [{name: main, labels: [{name: ${label}, cloud-image: image}]}]
`,
    );
  write("one");
  const address = `127.0.0.1:${await freePort()}`;
  const daemon = startProgram("services/launcher/main.ts", ["-c", file, "--listen", address]);
  try {
    await daemon.waitFor(/"serving"/, PATIENCE_MS);
    proxy.mode = "cut";
    write("two");
    await daemon.waitFor(/the old one stays/, PATIENCE_MS);
    proxy.mode = "pass";
    // Files are looked at again after a minute anyhow.
    await daemon.waitFor(/another configuration is in force/, 20_000);
  } finally {
    await daemon.stop("SIGKILL").catch(() => null);
    await proxy.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
