// The way from a Python Nodepool and back, as docs/migrating-from-nodepool.md has it, on a tree that was recorded of
// one: three nodes in use by Zuul, three ready, an image.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { parseConfig } from "../../lib/config/load.ts";
import { encodeNode, withNodeState } from "../../lib/model/node.ts";
import { NODES, nodePath, REQUESTS, requestPath } from "../../lib/model/paths.ts";
import { encodeRequest, newRequest } from "../../lib/model/request.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../../lib/zookeeper/embedded/server.ts";
import { connectSession } from "../../lib/zookeeper/session.ts";
import type { Session } from "../../lib/zookeeper/types.ts";
import { FakeProvider } from "../harness/fake_provider.ts";
import { startTestLauncher, type TestLauncher, until } from "../harness/launcher.ts";
import { PROJECT } from "../harness/program.ts";

interface Recorded {
  readonly path: string;
  readonly data: string;
  /** Whose session it goes with. */
  readonly owner?: "launcher" | "builder" | "zuul";
}

const RECORDED = JSON.parse(
  readFileSync(path.join(PROJECT, "test/data/nodepool/in_use.json"), "utf8"),
) as Recorded[];

/** What an operator has in nodepool.yaml: first one provider beside the old launcher's, then both. */
const OURS = `
- name: second
  driver: fake
  cloud-images: [{name: image}]
  pools: [{name: main, labels: [{name: our-label, cloud-image: image}]}]`;
const THEIRS = `
- name: fake-provider
  driver: fake
  diskimages: [{name: fake-image}]
  pools: [{name: main, max-servers: 10, node-attributes: {key1: value1}, labels: [{name: fake-label, diskimage: fake-image}]}]`;
const configFor = (providers: string) =>
  parseConfig(
    `labels: [{name: fake-label, min-ready: 3}, {name: our-label}]\ndiskimages: [{name: fake-image}]\nproviders:${providers}`,
    "nodepool.yaml",
  );

/** Nodepool's keys with the types that it writes; null is of any. */
function shapeOf(document: string): Record<string, string> {
  const entries = Object.entries(JSON.parse(document) as Record<string, unknown>);
  return Object.fromEntries(
    entries.map(([key, value]) => [
      key,
      value === null ? "null" : Array.isArray(value) ? "list" : typeof value,
    ]),
  );
}

describe("a site that moves from Nodepool", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "nodepool-migration-"));
  const clouds = { theirs: new FakeProvider("fake-provider"), ours: new FakeProvider("second") };
  const sessions: Session[] = [];
  let server: EmbeddedServer;
  let launcher: TestLauncher | null = null;
  let zuul: Session;
  let python: Session;

  async function connect(): Promise<Session> {
    const { host, port } = server;
    const session = connectSession({
      servers: [{ host, port }],
      sessionTimeoutMs: 30_000,
      logger: silentLogger,
    });
    sessions.push(session);
    await session.connected();
    return session;
  }

  async function start(providers: string): Promise<TestLauncher> {
    const drivers = providers.includes("fake-provider") ? [clouds.theirs, clouds.ours] : [clouds.ours];
    launcher = await startTestLauncher(server, { config: configFor(providers), providers: drivers });
    return launcher;
  }

  const textOf = async (znode: string) => new TextDecoder().decode((await zuul.get(znode)).data);
  const documentOf = async (znode: string) => JSON.parse(await textOf(znode)) as Record<string, unknown>;
  async function ask(label: string): Promise<string> {
    const record = newRequest(Date.now() / 1000, { nodeTypes: [label], requestor: "zuul" });
    const made = await zuul.create(`${REQUESTS}/200-`, encodeRequest(record), "ephemeral-sequential");
    return made.slice(REQUESTS.length + 1);
  }
  const fulfilled = (id: string) =>
    until(`request ${id}`, async () => {
      const { state, nodes } = await documentOf(requestPath(id));
      return state === "fulfilled" ? (nodes as string[]) : null;
    });

  before(async () => {
    server = await startEmbeddedServer({ dataDir: folder, port: 0, logger: silentLogger });
    zuul = await connect();
    python = await connect();
    for (const { path: znode, data, owner } of RECORDED) {
      const session = owner === "launcher" || owner === "builder" ? python : zuul;
      await session.create(
        znode,
        new TextEncoder().encode(data),
        owner === undefined ? "persistent" : "ephemeral",
      );
      const external = /\/nodes\/(\d+)$/.test(znode) ? (JSON.parse(data) as { external_id: string }) : null;
      if (external !== null) {
        clouds.theirs.cloud.add(`np${znode.slice(-10)}`, {}, "running", {
          externalId: external.external_id,
        });
      }
    }
  });
  after(async () => {
    await launcher?.stop();
    for (const session of sessions) await session.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("runs both launchers side by side: each serves its own, and touches nothing of the other", async () => {
    await start(OURS);
    const theirs = await ask("fake-label");
    const node = await fulfilled(await ask("our-label"));
    assert.equal((await documentOf(nodePath(node[0] ?? ""))).provider, "second");
    for (const { path: znode, data } of RECORDED) assert.equal(await textOf(znode), data, znode);
    const waiting = await documentOf(requestPath(theirs));
    assert.deepEqual([waiting.state, waiting.declined_by], ["requested", []]);
    assert.equal(clouds.theirs.cloud.instances.size, 6);
    await zuul.delete(requestPath(theirs), -1);
  });

  it("takes the other's provider over: its ready nodes are given out, those in use live on", async () => {
    await launcher?.stop();
    await python.close();
    const running = await start(`${THEIRS}${OURS}`);
    const [node = ""] = await fulfilled(await ask("fake-label"));
    assert.equal(node, "0000000003", "the oldest ready node of the old launcher");
    const made = await until("another ready node", () => {
      const ready = [...running.view.nodes()].filter(
        ({ record }) => record?.type.includes("fake-label") && record.state === "ready",
      );
      const free = ready.filter(({ record }) => record?.allocatedTo === null);
      return free.length === 3 && free.find(({ id }) => id > "0000000005");
    });
    assert.match(made.record?.imageId ?? "", /fake-image\/builds\/e175717dd5364f0eaa06bfc81f103c9d\//);
    for (const id of ["0000000000", "0000000001", "0000000002"]) {
      const recorded = RECORDED.find(({ path: znode }) => znode === nodePath(id));
      assert.equal(await textOf(nodePath(id)), recorded?.data);
    }
  });

  it("deletes what Zuul returns, with the instance that the other launcher made", async () => {
    for (const id of ["0000000000", "0000000001", "0000000002"]) {
      const entry = launcher?.view.node(id);
      assert.ok(entry?.record);
      const used = withNodeState(entry.record, "used", Date.now() / 1000);
      await zuul.set(nodePath(id), encodeNode(used), entry.version);
      for (const lock of await zuul.children(`${nodePath(id)}/lock`)) {
        await zuul.delete(`${nodePath(id)}/lock/${lock}`, -1);
      }
    }
    await until("they are gone", async () => !(await zuul.children(NODES)).some((id) => id < "0000000003"));
    const left = [...clouds.theirs.cloud.instances.values()].map(({ name }) => name);
    assert.deepEqual(
      left.filter((name) => name < "np0000000003"),
      [],
    );
  });

  it("goes back: no lock and no component of ours is left, and every document is as Nodepool writes it", async () => {
    await launcher?.stop();
    launcher = null;
    for (const kind of ["launcher", "pool", "builder"]) {
      assert.deepEqual(await zuul.children(`/nodepool/components/${kind}`), []);
    }
    const model = RECORDED.find(({ path: znode }) => znode === nodePath("0000000003"));
    const wanted = shapeOf(model?.data ?? "{}");
    const nodes = await zuul.children(NODES);
    assert.ok(nodes.length >= 4);
    for (const id of nodes) {
      const shape = shapeOf(await textOf(nodePath(id)));
      for (const [key, type] of Object.entries(wanted)) {
        assert.ok(key in shape, `${id} lacks ${key}`);
        const fits = shape[key] === type || shape[key] === "null" || type === "null";
        assert.ok(fits, `${key} of ${id} is a ${shape[key]}, Nodepool has a ${type}`);
      }
      if (await zuul.exists(`${nodePath(id)}/lock`)) {
        assert.deepEqual(await zuul.children(`${nodePath(id)}/lock`), []);
      }
    }
    for (const id of await zuul.children(REQUESTS)) {
      const { state } = await documentOf(requestPath(id));
      assert.ok(["requested", "fulfilled", "failed"].includes(String(state)), `${id} is ${state}`);
    }
    for (const { path: znode, data } of RECORDED.filter(({ path: znode }) => znode.includes("/images/"))) {
      assert.equal(await textOf(znode), data, znode);
    }
  });
});
