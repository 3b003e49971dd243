// Several launchers that give slots of one backing node away, over an embedded server, each seeing the others late.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type SlowWire, startSlowWire } from "../../../test/harness/slow_wire.ts";
import { decodeNode, encodeNode, newNode } from "../../model/node.ts";
import { NODES, nodeLockPath, nodePath, REQUESTS, requestPath } from "../../model/paths.ts";
import { encodeRequest, newRequest } from "../../model/request.ts";
import { encodeShared, encodeSharedLabel, sharedOf, shareOf, sharerName } from "../../model/shared_node.ts";
import { systemClock } from "../../std/clock.ts";
import { silentLogger } from "../../std/logger.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../../zookeeper/embedded/server.ts";
import { connectSession } from "../../zookeeper/session.ts";
import { openView } from "../../zookeeper/tree_view.ts";
import type { Session } from "../../zookeeper/types.ts";
import { MetastaticProvider } from "./metastatic_provider.ts";
import { Sharing } from "./sharing.ts";

const BACKING = "9000000001";
const LAUNCHERS = 4;
const NODES_EACH = 25;
const SLOTS = LAUNCHERS * NODES_EACH;
const OWN = { backingLabel: "large", slots: SLOTS, graceTime: 3600, minRetentionTime: 0, maxAge: Infinity };
/** Of the label "rare" there is no backing node. */
const TERMS = { of: (label: string) => (["small", "rare"].includes(label) ? OWN : undefined) };

const child = encodeNode(newNode(1, { provider: "meta", type: ["small"], state: "building" }));

describe("launchers that share one backing node out", () => {
  let dataDir: string;
  let server: EmbeddedServer;
  let wire: SlowWire;
  let closing: (() => Promise<void>)[];
  beforeEach(async () => {
    closing = [];
    dataDir = await mkdtemp(join(tmpdir(), "nodepool-sharing-"));
    server = await startEmbeddedServer({ dataDir, port: 0, logger: silentLogger });
    wire = await startSlowWire(server);
  });
  afterEach(async () => {
    for (const close of closing.reverse()) await close();
    await wire.close();
    await server.close();
    await rm(dataDir, { recursive: true });
  });

  async function connect(): Promise<Session> {
    const { host, port } = wire;
    const session = connectSession({
      servers: [{ host, port }],
      sessionTimeoutMs: 10_000,
      logger: silentLogger,
    });
    closing.push(() => session.close());
    await session.connected();
    return session;
  }

  async function putBackingNode(session: Session): Promise<void> {
    for (const path of [NODES, REQUESTS]) await session.ensurePath(path);
    const userData = encodeShared({
      provider: "meta",
      label: "small",
      slots: SLOTS,
      failed: false,
      launched: 1,
    });
    const record = newNode(1, { provider: "cloud", type: ["large"], state: "in-use", userData });
    await session.create(nodePath(BACKING), encodeNode(record), "persistent");
    await session.ensurePath(nodeLockPath(BACKING));
    const owner = new TextEncoder().encode(sharerName("meta"));
    await session.create(`${nodeLockPath(BACKING)}/00ff__lock__`, owner, "persistent-sequential");
  }

  async function launcher() {
    const session = await connect();
    const view = openView(session, silentLogger);
    await view.ready();
    const options = { provider: "meta", terms: TERMS, clock: systemClock };
    const sharing = new Sharing(
      { ...options, logger: silentLogger },
      { session, view, newUuid: randomUUID, step: async (_name, run) => await run() },
    );
    closing.push(async () => {
      await sharing.stop();
      await view.close();
    });
    return async (node: string, { label = "small", signal = AbortSignal.timeout(60_000) } = {}) => {
      await sharing.claim(
        {
          node,
          label,
          backingLabel: "large",
          above: [],
          metadata: {},
          note: async (_externalId, claim) => {
            assert.ok(claim);
            const record = { ...decodeNode(child), driverData: claim.driverData, slot: claim.slot };
            const set = { kind: "set", path: nodePath(node), data: encodeNode(record), version: 0 } as const;
            await session.multi([set, ...claim.operations]);
          },
        },
        signal,
      );
    };
  }

  it("never give a slot to two nodes", async () => {
    const session = await connect();
    await putBackingNode(session);
    const launchers = await Promise.all(Array.from({ length: LAUNCHERS }, launcher));
    const ids = Array.from({ length: SLOTS }, (_, index) => String(index).padStart(10, "0"));
    for (const id of ids) await session.create(nodePath(id), child, "persistent");
    await Promise.all(ids.map((id, index) => launchers[index % LAUNCHERS]?.(id)));
    const slots = await Promise.all(
      ids.map(async (id) => shareOf(decodeNode((await session.get(nodePath(id))).data))?.slot),
    );
    assert.deepEqual(
      slots.toSorted((a, b) => (a ?? -1) - (b ?? -1)),
      ids.map((_id, slot) => slot),
    );
  });

  it("give none to who has given up before", async () => {
    await putBackingNode(await connect());
    const claim = await launcher();
    const signal = AbortSignal.abort(new Error("given up"));
    const outcome = claim("1", { signal }).then(String, String);
    assert.equal(await Promise.race([outcome, turn("it waits")]), "Error: given up");
  });

  it("take a node that somebody else has locked when he is done with it", async () => {
    const session = await connect();
    for (const path of [NODES, REQUESTS]) await session.ensurePath(path);
    const id = "100-0000000000";
    const ready = newNode(1, { provider: "cloud", type: ["large"], state: "ready", allocatedTo: id });
    await session.create(nodePath(BACKING), encodeNode(ready), "persistent");
    await session.ensurePath(nodeLockPath(BACKING));
    const stranger = `${nodeLockPath(BACKING)}/00ff__lock__`;
    const contender = await session.create(stranger, new Uint8Array(), "persistent-sequential");
    const asked = { requestor: sharerName("meta"), requestorData: encodeSharedLabel("small") };
    const fulfilled = newRequest(1, { ...asked, nodeTypes: ["large"], nodes: [BACKING], state: "fulfilled" });
    await session.create(requestPath(id), encodeRequest(fulfilled), "persistent");
    await launcher();
    // Many of its passes: it must not be in one that never ends.
    for (let turns = 0; turns < 100; turns += 1) await turn();
    await session.delete(contender, -1);
    const taken = async () => sharedOf(decodeNode((await session.get(nodePath(BACKING))).data));
    while ((await taken()) === null) await turn();
    assert.deepEqual(await session.children(REQUESTS), []);
  });

  it("ask for no backing node for a node that is gone", async () => {
    const session = await connect();
    await putBackingNode(session);
    const claim = await launcher();
    const stop = new AbortController();
    const gone = claim("1", { label: "rare", signal: stop.signal });
    // Each is decided on after all that was decided before has been done.
    for (const id of ["2", "3"]) {
      await session.create(nodePath(id), child, "persistent");
      await claim(id);
    }
    stop.abort(new Error("given up"));
    await assert.rejects(gone, /given up/);
    const request = await session.create(`${REQUESTS}/`, new Uint8Array(), "persistent-sequential");
    assert.equal(request, `${REQUESTS}/0000000000`, "there were requests before");
  });

  it("are stopped while ZooKeeper is away", async () => {
    const session = await connect();
    const view = openView(session, silentLogger);
    await view.ready();
    closing.push(() => view.close());
    const away = new Promise<void>((resolve) => {
      view.onCurrent((current) => !current && resolve());
    });
    const provider = new MetastaticProvider(
      { name: "meta", pools: [] },
      { clock: systemClock, logger: silentLogger },
    );
    await wire.close();
    await away;
    provider.attach({ session, view, newUuid: randomUUID, step: async (_name, run) => await run() });
    await provider.stop();
  });
});
