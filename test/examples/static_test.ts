// The example of static hosts, as an operator runs it: launcher and CLI as programs, a real ZooKeeper, real SSH servers.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Clients, connectClients } from "../../lib/rpc/client.ts";
import { HostStage } from "../harness/host_stage.ts";
import { until } from "../harness/launcher.ts";
import { freePort } from "../harness/ports.ts";
import { PROJECT, type Program, runProgram, startProgram } from "../harness/program.ts";
import type { SshServer } from "../harness/sshd.ts";

const PATIENCE_MS = 90_000;
/** Between looks by command: each is a process. */
const PAUSE_MS = 500;

describe("examples/nodepool-static.yaml", () => {
  let stage: HostStage;
  let folder: string;
  let gpu: SshServer;
  let launcher: Program;
  let clients: Clients;
  let env: Record<string, string>;

  const list = async (...words: string[]) =>
    (await runProgram("services/cli/main.ts", ["list", ...words], env)).stdout;
  const untilListed = (what: string, check: (table: string) => boolean, ...words: string[]) =>
    until(
      what,
      async () => {
        const table = await list(...words);
        return check(table) ? table : null;
      },
      PATIENCE_MS,
      PAUSE_MS,
    ).catch((error: Error) => {
      throw new Error(`${error.message}\n${launcher.output()}`);
    });

  before(async () => {
    stage = await HostStage.open();
    gpu = await stage.servers.start([stage.key]);
    const windows = await stage.servers.startHanging();
    const { host, port } = stage.server;
    const text = (await readFile(`${PROJECT}/examples/nodepool-static.yaml`, "utf8"))
      .replace("host: localhost", `host: ${host}`)
      .replace("port: 2181", `port: ${port}`)
      .replace(/ssh-ed25519 \S+/, stage.key.line)
      .replace("connection-port: 5986", `connection-port: ${windows.port}`)
      .replace("name: bench1.example.org", `name: 127.0.0.1\n            connection-port: ${stage.sshd.port}`)
      .replace("name: gpu1.example.org", `name: 127.0.0.1\n            connection-port: ${gpu.port}`)
      .replace("name: windows1.example.org", "name: 127.0.0.1");
    folder = await mkdtemp(join(tmpdir(), "nodepool-static-"));
    const file = join(folder, "nodepool.yaml");
    await writeFile(file, text);
    const address = `127.0.0.1:${await freePort()}`;
    env = { NODEPOOL_LAUNCHER_ADDRESS: address };
    launcher = startProgram("services/launcher/main.ts", ["-c", file, "--listen", address], env);
    clients = connectClients({ launcherAddress: address, builderAddress: address });
  });
  after(async () => {
    clients.close();
    await launcher.stop();
    await stage.close();
    await rm(folder, { recursive: true });
  });

  it("has a ready node for each slot of each host", async () => {
    const table = await untilListed("six nodes", (text) => text.split("| ready ").length === 7, "--detail");
    assert.equal(table.split("| bench ").length, 5);
    assert.match(table, /\| bench,gpu .*\| static driver /);
    assert.match(table, /\| windows .*\| Administrator /);
    assert.doesNotMatch(await list(), /Comment/);
  });

  it("shows in the list and by explain why a host is out of service", async () => {
    await gpu.stop();
    // A check that has ended just now is good for a hand-over for two seconds.
    const end = performance.now() + 2100;
    await until("its check is old", () => performance.now() > end);
    const asked = await clients.requests.createRequest({
      request: { labels: ["gpu"], requestor: "tester" },
      requestId: "",
      leaseDuration: { seconds: 600n, nanos: 0 },
    });
    const table = await untilListed("the reason", (text) => /\| testing .*ECONNREFUSED/.test(text));
    const [, id = ""] = /\| (\d{10}) [^\n]*\| testing /.exec(table) ?? [];
    const explained = await runProgram("services/cli/main.ts", ["explain", "node", id], env);
    assert.match(explained.stdout, /its host is out of service: no SSH host key .*ECONNREFUSED/);
    assert.match(explained.stdout, new RegExp(`slot 0 of host zuul@127.0.0.1:${gpu.port}, which has 1 slot`));
    await stage.servers.start([stage.key], gpu.port);
    await untilListed("it is used", (text) => /\| bench,gpu .*\| in-use /.test(text));
    const [, request = ""] = (asked.request?.name ?? "").split("/");
    const words = ["release", "--fault", "the card is gone", request];
    assert.equal((await runProgram("services/cli/main.ts", words, env)).code, 0);
    await untilListed("it is ready again", (text) => /\| bench,gpu .*\| ready /.test(text));
    const [, next = ""] = /\| (\d{10}) [^\n]*\| bench,gpu /.exec(await list()) ?? [];
    const after = await runProgram("services/cli/main.ts", ["explain", "node", next], env);
    assert.match(after.stdout, /a suspicious run \d+ s ago, of tester .*: the card is gone/);
  });
});
