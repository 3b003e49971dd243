import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { encodeNode, newNode } from "../model/node.ts";
import { NODES, nodeLockPath } from "../model/paths.ts";
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
  before(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "nodepool-view-"));
    server = await startEmbeddedServer({ dataDir, port: 0, logger: silentLogger });
  });
  after(async () => {
    for (const session of sessions) await session.close();
    await server.close();
    await rm(dataDir, { recursive: true });
  });

  async function connect(): Promise<Session> {
    const { host, port } = server;
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
});
