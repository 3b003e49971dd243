// Builder and launcher as processes of their own beside a real ZooKeeper, used by Zuul, by the CLI, and traced.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { findProgram } from "../../lib/host/machine.ts";
import { operatorKey } from "../../lib/host/ssh_key.ts";
import { until } from "../harness/launcher.ts";
import { freePort } from "../harness/ports.ts";
import {
  PROJECT,
  type Program,
  runCommand,
  runProgram,
  startCommand,
  startProgram,
} from "../harness/program.ts";
import { startZooKeeper, type ZooKeeperServer } from "../harness/zookeeper.ts";

const CLI = "services/cli/main.ts";
const TRACED = { OTEL_TRACES_EXPORTER: "console" };
const OBSERVED = { ...TRACED, OTEL_METRICS_EXPORTER: "prometheus" };
/** Generous: a build takes some seconds, on a busy machine minutes. */
const PATIENCE = 300_000;
const prometheusProgram = await findProgram("prometheus");

describe("builder and launcher with a real ZooKeeper", () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-daemons-"));
  let zookeeper: ZooKeeperServer;
  let builder: Program;
  let launcher: Program;
  let env: Record<string, string>;
  const metricsAt: string[] = [];

  const cli = (...args: string[]) => runProgram(CLI, args, env);
  const untilListed = async (pattern: RegExp, ...args: string[]) => {
    for (let attempt = 0; attempt < 60; attempt += 1) {
      const { stdout } = await cli(...args);
      const match = pattern.exec(stdout);
      if (match !== null) return match;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    assert.fail(`${pattern} was not listed\n${builder.output()}\n${launcher.output()}`);
  };
  const READY = /\| (\d{10}) \| local .*\| ready .*\| unlocked/;

  before(async () => {
    zookeeper = await startZooKeeper();
    const key = await operatorKey({ env: { HOME: folder }, dataDir: folder });
    const [host, port] = [zookeeper.host, zookeeper.port];
    const example = readFileSync(`${PROJECT}/examples/nodepool-separate.yaml`, "utf8")
      .replace("host: localhost", `host: ${host}`)
      .replace("port: 2181", `port: ${port}`)
      .replace("engine: auto", "engine: sandbox")
      // A label that is launched on demand only.
      .replace("    min-ready: 2\n", "    min-ready: 2\n  - name: cold\n")
      .replace(/( +)- name: tiny\n +diskimage: tiny\n/, "$&$1- name: cold\n$1  diskimage: tiny\n")
      .replaceAll("/var/lib/nodepool", `${folder}/lib`)
      .replaceAll("/var/log/nodepool", `${folder}/log`)
      .replace("elements-dir: elements", `elements-dir: ${PROJECT}/examples/elements`);
    const config = join(folder, "nodepool.yaml");
    writeFileSync(config, example);
    const [launcherAddress, builderAddress] = [
      `127.0.0.1:${await freePort()}`,
      `127.0.0.1:${await freePort()}`,
    ];
    env = {
      NODEPOOL_AUTHORIZED_KEYS: key.publicKey,
      NODEPOOL_LAUNCHER_ADDRESS: launcherAddress,
      NODEPOOL_BUILDER_ADDRESS: builderAddress,
      NODEPOOL_SSH_KEY: key.privateKeyPath,
    };
    const daemon = async (name: string, address: string) => {
      const port = await freePort();
      metricsAt.push(`127.0.0.1:${port}`);
      return startProgram(`services/${name}/main.ts`, ["-c", config, "--listen", address], {
        ...env,
        ...OBSERVED,
        OTEL_EXPORTER_PROMETHEUS_PORT: String(port),
      });
    };
    builder = await daemon("builder", builderAddress);
    launcher = await daemon("launcher", launcherAddress);
    await untilListed(READY, "list");
  });

  after(async () => {
    await Promise.all([builder.stop(), launcher.stop()]);
    await zookeeper.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("say which of them it is", async () => {
    const instances = await Promise.all(
      metricsAt.map(async (address) => {
        const text = await (await fetch(`http://${address}/metrics`)).text();
        return /^target_info\{.*service_instance_id="([^"]+)"/m.exec(text)?.[1] ?? "";
      }),
    );
    assert.equal(new Set(instances).size, 2);
    for (const instance of instances) assert.ok(instance.startsWith(`${hostname()}-`), instance);
  });

  it("are scraped by a Prometheus, which knows our alerts", {
    skip: prometheusProgram === null,
  }, async () => {
    const listen = `127.0.0.1:${await freePort()}`;
    const file = join(folder, "prometheus.yaml");
    const targets = JSON.stringify(metricsAt);
    writeFileSync(
      file,
      `global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [${PROJECT}/deploy/prometheus/rules.yaml]
scrape_configs: [{job_name: nodepool, static_configs: [{targets: ${targets}}]}]
`,
    );
    const prometheus = startCommand("prometheus", [
      `--config.file=${file}`,
      `--web.listen-address=${listen}`,
      `--storage.tsdb.path=${folder}/prometheus`,
    ]);
    const ask = async (path: string) => {
      const { data } = (await (await fetch(`http://${listen}/api/v1/${path}`)).json()) as { data: unknown };
      return data;
    };
    const query = async (metric: string) => {
      const { result } = (await ask(`query?query=${metric}`)) as {
        result: { metric: Record<string, string>; value: [number, string] }[];
      };
      return result;
    };
    try {
      await prometheus.waitFor(/Server is ready to receive web requests/);
      const current = await until("both", async () => {
        const found = await query("nodepool_view_current");
        return found.length === 2 && found;
      });
      assert.deepEqual(
        current.map(({ value }) => value[1]),
        ["1", "1"],
      );
      const [ready] = await query('nodepool_nodes{state="ready"}');
      assert.equal(ready?.metric.provider, "local");
      const { groups } = (await ask("rules")) as { groups: { rules: { name: string; health: string }[] }[] };
      const rules = groups.flatMap((group) => group.rules);
      assert.ok(rules.length > 0);
      assert.deepEqual(
        rules.filter(({ health }) => health === "err"),
        [],
      );
    } finally {
      await prometheus.stop();
    }
  });

  it("give Zuul a node and take it back", async () => {
    const client = `${PROJECT}/test/harness/zuul_client.py`;
    const { code, stdout, stderr } = await runCommand("/usr/bin/python3", [
      client,
      zookeeper.connectString,
      "cycle",
      "tiny",
    ]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /tiny/);
    await untilListed(READY, "list");
  });

  it("put a request into one trace, from the command to the SSH host keys", async () => {
    const request = await runProgram(CLI, ["request", "cold", "--", "true"], { ...env, ...TRACED });
    assert.equal(request.code, 0, request.stderr);
    const trace = /^span ([0-9a-f]{32}) .*nodepool request/m.exec(request.stderr)?.[1];
    assert.ok(trace, request.stderr);
    const names = ["CreateRequest", "node.launch", "provider.create_instance", "node.key_scan"];
    // The command may have ended before all that the launcher has written is read.
    for (const name of [...names, "request.fulfil"]) {
      await launcher.waitFor(new RegExp(`span ${trace}.*${name}`));
    }
  });

  it("put an image build into one trace, from the command to the upload", async () => {
    const asked = await runProgram(CLI, ["image-build", "tiny"], { ...env, ...TRACED });
    assert.equal(asked.code, 0, asked.stderr);
    const trace = /^span ([0-9a-f]{32}) /m.exec(asked.stderr)?.[1];
    assert.ok(trace, asked.stderr);
    for (const name of ["image.upload", "image.build", "provider.upload_image"]) {
      await builder.waitFor(new RegExp(`span ${trace} .*${name}`), PATIENCE);
    }
  });

  it("keep the present and the previous build", async () => {
    const { stdout } = await cli("dib-image-list");
    assert.equal(stdout.match(/\| ready /g)?.length, 2, stdout);
  });

  it("serve on when ZooKeeper was away for a moment", async () => {
    await zookeeper.restart();
    const { code, stdout, stderr } = await cli("request", "tiny", "--", "echo", "served");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /served/);
  });

  it("stop in order on SIGTERM, and keep what they have", async () => {
    const [, node] = await untilListed(READY, "list");
    assert.equal(await launcher.stop(), 0);
    assert.equal(await builder.stop(), 0);
    assert.match(launcher.output(), /"stopped"|stopped/);
    assert.ok(node);
  });
});
