// Two launchers behind one address of an HTTP/2 proxy, as a mesh or a load balancer has them.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { FakeCloud } from "../../lib/provider/fake/cloud.ts";
import { type CloudServer, serveCloud } from "../../lib/provider/fake/cloud_server.ts";
import { type Clients, connectClients } from "../../lib/rpc/client.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../../lib/zookeeper/embedded/server.ts";
import { type Http2Proxy, PROXY_NAMES, proxiesInstalled, startHttp2Proxy } from "../harness/http2_proxy.ts";
import { until } from "../harness/launcher.ts";
import { freePort } from "../harness/ports.ts";
import { PROJECT, type Program, runCommand, startProgram } from "../harness/program.ts";
import { fleetConfig } from "../harness/rolling_fleet.ts";

const PATIENCE_MS = 60_000;
/** Each launcher has its own file, by which its answers can be told from the other's. */
const NAMES = ["one", "two"] as const;
const skip = proxiesInstalled ? false : "needs Debian's packages haproxy and nginx";

for (const proxyName of PROXY_NAMES) {
  describe(`two launchers behind ${proxyName}`, { skip }, () => {
    const folder = mkdtempSync(join(tmpdir(), `nodepool-${proxyName}-`));
    const addresses = new Map<string, string>();
    const launchers = new Map<string, Program>();
    let coordination: EmbeddedServer;
    let cloud: CloudServer;
    let proxy: Http2Proxy;
    let clients: Clients;

    const file = (name: string) => join(folder, `${name}.yaml`);
    const start = async (name: string) => {
      const launcher = startProgram("services/launcher/main.ts", [
        ...["-c", file(name), "--listen", addresses.get(name) ?? ""],
      ]);
      launchers.set(name, launcher);
      await launcher.waitFor(/"serving"/, PATIENCE_MS);
    };
    /** The file of the launcher that answers. */
    const whoAnswers = async () => (await clients.launcherConfig.getConfig({})).config?.file;
    const untilAnswers = (...names: string[]) =>
      until(
        `answers of ${names}`,
        async () => {
          const found = new Set<string | undefined>();
          for (let count = 0; count < 8; count += 1) found.add(await whoAnswers());
          return names.every((name) => found.has(file(name)));
        },
        PATIENCE_MS,
      );

    before(async () => {
      const dataDir = join(folder, "coordination");
      coordination = await startEmbeddedServer({ dataDir, port: 0, logger: silentLogger });
      cloud = await serveCloud(new FakeCloud());
      for (const name of NAMES) {
        writeFileSync(file(name), fleetConfig(coordination.port, cloud.address));
        addresses.set(name, `127.0.0.1:${await freePort()}`);
      }
      await Promise.all(NAMES.map(start));
      const [first = "", second = ""] = addresses.values();
      mkdirSync(join(folder, "proxy"));
      proxy = await startHttp2Proxy(proxyName, join(folder, "proxy"), [first, second]);
      clients = connectClients({ launcherAddress: proxy.address, builderAddress: proxy.address });
      await untilAnswers(...NAMES);
    });

    after(async () => {
      clients?.close();
      await proxy?.program.stop("SIGTERM").catch(() => null);
      await Promise.all(
        [...launchers.values()].map((launcher) => launcher.stop("SIGKILL").catch(() => null)),
      );
      await cloud?.close();
      await coordination?.close();
      rmSync(folder, { recursive: true, force: true });
    });

    it("tell errors with their reasons, and their methods by reflection", async () => {
      await assert.rejects(clients.nodes.getNode({ name: "nodes/0000000099" }), {
        code: "NOT_FOUND",
        message: "there is no node 'nodes/0000000099'",
      });
      const words = "curl --protocol grpc --http2-prior-knowledge --list-methods".split(" ");
      const buf = join(PROJECT, "node_modules/.bin/buf");
      const { stdout } = await runCommand(buf, [...words, `http://${proxy.address}`]);
      assert.match(stdout, /^nodepool\.v1\.RequestService\/CreateRequest$/m);
    });

    it("answer a client that has 150 watches open", async () => {
      const isOver = new AbortController();
      const signal = AbortSignal.any([isOver.signal, AbortSignal.timeout(PATIENCE_MS)]);
      const watches = Array.from({ length: 150 }, () => clients.nodes.watchNodes({}, { signal }));
      const firsts = watches.map((watch) => watch[Symbol.asyncIterator]().next());
      try {
        await Promise.all(firsts);
        await clients.nodes.listNodes({});
      } finally {
        isOver.abort();
        await Promise.allSettled(firsts);
      }
    });

    it("keep a node with the command line that has it, while each of them is killed in turn", async () => {
      const words = ["--address", proxy.address, "request", "tiny"];
      const holder = startProgram("services/cli/main.ts", words);
      await holder.waitFor(/ready: Ctrl-C/, PATIENCE_MS);
      const { nodes: before } = await clients.nodes.listNodes({});
      for (const name of NAMES) {
        await launchers.get(name)?.stop("SIGKILL");
        await start(name);
        await untilAnswers(...NAMES);
      }
      await holder.waitFor(/trying again/, PATIENCE_MS);
      const { nodes } = await clients.nodes.listNodes({});
      assert.deepEqual(
        nodes.map((node) => [node.name, node.allocatedTo]),
        before.map((node) => [node.name, node.allocatedTo]),
      );
      assert.equal(await holder.stop("SIGINT"), 130, holder.output());
      await until("no node", async () => (await clients.nodes.listNodes({})).nodes.length === 0, PATIENCE_MS);
    });

    it("answer every call while one of them stops in order", async () => {
      let [calls, isOver] = [0, false];
      const caller = async () => {
        while (!isOver) {
          await clients.nodes.listNodes({});
          calls += 1;
        }
      };
      const callers = Promise.all(Array.from({ length: 8 }, caller));
      assert.equal(await launchers.get("one")?.stop("SIGTERM"), 0);
      await untilAnswers("two");
      isOver = true;
      await callers;
      assert.ok(calls > 8, `${calls} calls`);
      await start("one");
    });
  });
}
