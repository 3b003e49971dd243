// Two launchers, as processes of their own, with one folder of a local provider whose nodes live in the launcher's process.
// One of them runs the nodes; when it is killed in the middle of a launch, the other one goes on with all that it had.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { NodeRecord } from "../../lib/model/node.ts";
import type { Instance } from "../../lib/provider/contract.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { openView } from "../../lib/zookeeper/tree_view.ts";
import { until } from "../harness/launcher.ts";
import { LauncherCase } from "../harness/launcher_case.ts";
import { imageSpec, startLocalProvider } from "../harness/local_provider.ts";
import { freePort } from "../harness/ports.ts";
import { type Program, startProgram } from "../harness/program.ts";
import { makeRootfs, type Rootfs } from "../harness/rootfs.ts";
import { connect, runRemote } from "../harness/ssh_client.ts";
import { startZooKeeper, type ZooKeeperServer } from "../harness/zookeeper.ts";
import { ZuulHand } from "../harness/zuul_hand.ts";

/** A launcher looks twice a second for nodes that have lost their instance: it has looked several times by then. */
const SOME_LOOKS_MS = 3000;

describe("two launchers on one folder of a local provider", () => {
  let server: ZooKeeperServer;
  let rootfs: Rootfs;
  before(async () => {
    server = await startZooKeeper();
    rootfs = await makeRootfs({ sshServer: false });
  });
  after(async () => {
    await rootfs.remove();
    await server.close();
  });

  for (const engine of ["process", "sandbox"] as const) {
    it(`leave each other's nodes alone, and the one that is left goes on with all of them (${engine})`, async () => {
      const folder = await mkdtemp(join(tmpdir(), "nodepool-two-"));
      const one = await LauncherCase.begin(server, "here");
      const programs: Program[] = [];
      const session = await one.session();
      const view = openView(session, silentLogger);
      const end = async () => {
        for (const program of programs) await program.stop("SIGKILL").catch(() => {});
        await view.close();
        await one.end();
        await rm(folder, { recursive: true, force: true });
      };
      try {
        const builder = await startLocalProvider(folder, { engine }, { hostsInstances: false });
        const image = await builder.uploadImage(imageSpec(rootfs.path), AbortSignal.timeout(60_000));
        const images = join(folder, "here/images");
        await rename(join(images, image), join(images, "image-at-here"));
        const file = join(folder, "nodepool.yaml");
        await writeFile(file, configText(one, folder, engine));
        const start = async () => {
          const words = ["-c", file, "--listen", `127.0.0.1:${await freePort()}`];
          const program = startProgram("test/harness/crashing_launcher.ts", words);
          programs.push(program);
          return program;
        };
        const zuul = new ZuulHand(session);
        const nodes = () =>
          [...view.nodes()].flatMap(({ id, record }) => (record === null ? [] : [{ id, record }]));
        const places = () =>
          nodes().map(({ id, record }) => `${id} ${record.state} ${record.connectionPort}`);

        const first = await start();
        const used = await zuul.use(await zuul.ask("small"));
        await until(
          "min-ready nodes",
          () => nodes().filter(({ record }) => record.state === "ready").length === 2,
        );
        const before = places();
        const second = await start();
        await second.waitFor(/is in use by the launcher with process id|launcher started/);
        await new Promise((resolve) => setTimeout(resolve, SOME_LOOKS_MS));
        assert.deepEqual(places(), before, "nothing has happened to the nodes of the first one");
        for (const { record } of nodes()) await logIn(record, rootfs);

        const request = await zuul.ask("large");
        await until("a launch", () => nodes().some(({ record }) => record.state === "building"));
        assert.equal(await first.stop("SIGKILL"), null);
        const late = await zuul.use(request);
        assert.deepEqual(
          places().filter((place) => !place.startsWith(late.id)),
          before,
          "the nodes of the first one are where they were",
        );
        for (const { record } of nodes()) {
          await until("it answers", () =>
            logIn(record, rootfs).then(
              () => true,
              () => false,
            ),
          );
        }
        const ports = nodes().map(({ record }) => record.connectionPort);
        assert.equal(new Set(ports).size, 4, `each has a port of its own: ${ports}`);
        for (const node of [used, late]) await zuul.giveBack(node);
        const instances = join(folder, "here/instances");
        await until("no folder but those of the nodes", async () => {
          const names = (await readdir(instances)).sort().join();
          return (
            names ===
              nodes()
                .map(({ id }) => `np${id}`)
                .sort()
                .join() && nodes().length === 2
          );
        });
        assert.equal(await second.stop("SIGTERM"), 0);
      } finally {
        await end();
      }
    });
  }
});

/** Logs in to a node and runs a command. */
async function logIn({ interfaceIp, connectionPort }: NodeRecord, { privateKey }: Rootfs): Promise<void> {
  const place = { interfaceIp, connectionPort } as Pick<Instance, "interfaceIp" | "connectionPort">;
  const client = await connect(place as Instance, "zuul", privateKey, 1);
  try {
    assert.equal((await runRemote(client, "echo here")).stdout.toString(), "here\n");
  } finally {
    client.end();
  }
}

function configText(one: LauncherCase, folder: string, engine: string): string {
  return `
zookeeper-servers: [{host: ${one.server.host}, port: ${one.server.port}, chroot: ${one.chroot}}]
zookeeper-timeout: 2
labels: [{name: small, min-ready: 2}, {name: large}]
diskimages: [{name: image}]
providers:
- name: here
  driver: local
  engine: ${engine}
  state-dir: ${folder}
  diskimages: [{name: image}]
  pools: [{name: main, labels: [{name: small, diskimage: image}, {name: large, diskimage: image}]}]
`;
}
