import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type SlowWire, startSlowWire } from "../../test/harness/slow_wire.ts";
import { encodeNode, newNode } from "../model/node.ts";
import { NODES, nodeLockPath, nodePath } from "../model/paths.ts";
import { silentLogger } from "../std/logger.ts";
import { type EmbeddedServer, startEmbeddedServer } from "./embedded/server.ts";
import { connectSession } from "./session.ts";
import { openView } from "./tree_view.ts";
import type { Session } from "./types.ts";

const LIVES = 60;

// The embedded server sends the events of a transaction together; others may part them.
describe("the view where the events of a transaction arrive together", () => {
  let dataDir: string;
  let server: EmbeddedServer;
  const sessions: Session[] = [];
  const wires: SlowWire[] = [];
  before(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "nodepool-view-"));
    server = await startEmbeddedServer({ dataDir, port: 0, logger: silentLogger });
  });
  after(async () => {
    for (const session of sessions) await session.close();
    for (const wire of wires) await wire.close();
    await server.close();
    await rm(dataDir, { recursive: true });
  });

  async function connect({ host, port }: { host: string; port: number } = server): Promise<Session> {
    const servers = [{ host, port }];
    const session = connectSession({ servers, sessionTimeoutMs: 10_000, logger: silentLogger });
    sessions.push(session);
    await session.connected();
    return session;
  }

  /** A node that is locked while it is being built, and not when it is ready. */
  async function live(session: Session): Promise<void> {
    const data = (state: "init" | "building" | "ready") => encodeNode(newNode(1, { type: ["small"], state }));
    const path = await session.create(`${NODES}/`, data("init"), "persistent-sequential");
    const root = nodeLockPath(path.slice(NODES.length + 1));
    const contender = `${root}/a__lock__0000000000`;
    await session.ensurePath(root);
    await session.multi([
      { kind: "create", path: contender, data: new Uint8Array(), mode: "persistent" },
      { kind: "set", path, data: data("building"), version: 0 },
    ]);
    await session.multi([
      { kind: "delete", path: contender, version: -1 },
      { kind: "set", path, data: data("ready"), version: 1 },
    ]);
  }

  it("shows no node unlocked with what it was while it was locked, whoever wrote that", async () => {
    const [one, other] = [await connect(), await connect()];
    await one.ensurePath(NODES);
    const views = [openView(one, silentLogger), openView(other, silentLogger)];
    const exposed: string[] = [];
    for (const view of views) {
      await view.ready();
      view.subscribe(({ id }) => {
        const node = view.node(id);
        if (node?.record?.state === "building" && node.lock.contenders.length === 0) exposed.push(id);
      });
    }
    await Promise.all(Array.from({ length: LIVES }, (_, turn) => live(turn % 3 === 0 ? other : one)));
    await Promise.all([one.sync("/"), other.sync("/")]);
    for (const view of views) {
      await view.settled();
      const states = [...view.nodes()].map(({ record }) => record?.state);
      assert.deepEqual(
        states,
        Array.from({ length: LIVES }, () => "ready"),
      );
      await view.close();
    }
    assert.deepEqual(exposed, []);
  });

  it("tells of what it may show without what was written before it, however late it reads", async () => {
    const wire = await startSlowWire(server);
    wires.push(wire);
    const [writer, reader] = [await connect(), await connect(wire)];
    const [first, last] = ["9000000001", "9000000002"];
    const data = (slot: number) => encodeNode(newNode(1, { type: ["small"], slot }));
    for (const id of [first, last]) await writer.create(nodePath(id), data(0), "persistent");
    const view = openView(reader, silentLogger);
    await view.ready();
    const ahead: boolean[] = [];
    view.subscribe(() => {
      const [before, after] = [first, last].map((id) => view.node(id)?.record?.slot ?? 0);
      if (after !== undefined && before !== undefined && after > before) {
        ahead.push(view.isPending(nodePath(last)));
      }
    });
    for (let slot = 1; slot <= 400; slot += 1) {
      const set = (id: string) =>
        ({ kind: "set", path: nodePath(id), data: data(slot), version: -1 }) as const;
      await writer.multi([set(first), set(last)]);
    }
    await reader.sync("/");
    await view.settled();
    assert.equal(view.node(last)?.record?.slot, 400);
    assert.equal(view.isPending(nodePath(last)), false);
    assert.ok(ahead.length > 0, "it never was ahead: nothing was tried");
    assert.ok(ahead.every((isPending) => isPending));
    await view.close();
  });

  it("shows nothing as gone before what was written until then, however late it reads", async () => {
    const wire = await startSlowWire(server);
    wires.push(wire);
    const [writer, reader] = [await connect(), await connect(wire)];
    const data = (slot: number) => encodeNode(newNode(1, { type: ["small"], slot }));
    const count = "9000000003";
    await writer.create(nodePath(count), data(0), "persistent");
    const view = openView(reader, silentLogger);
    await view.ready();
    const counts: [number, number][] = [];
    view.subscribe(({ id }) => {
      const turn = Number(id) - 8_000_000_000;
      if (turn < 100 && view.node(id) === undefined) {
        counts.push([turn, view.node(count)?.record?.slot ?? 0]);
      }
    });
    for (let turn = 1; turn < 100; turn += 1) {
      const path = nodePath(String(8_000_000_000 + turn));
      await writer.create(path, data(0), "persistent");
      await new Promise((resolve) => setTimeout(resolve, turn % 10));
      await writer.set(path, data(1), 0);
      await writer.set(nodePath(count), data(turn), -1);
      await writer.delete(path, 1);
    }
    await reader.sync("/");
    await view.settled();
    await view.close();
    assert.ok(counts.length > 0, "none was ever seen");
    assert.deepEqual(
      counts.filter(([turn, counted]) => counted < turn),
      [],
    );
  });
});
