// What sessions and locks make of an embedded server whose disk takes no writes for a while.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { silentLogger } from "../std/logger.ts";
import { PATIENCE_MS, refused, within } from "./contract/fixture.ts";
import type { Faults } from "./embedded/faults.ts";
import { type EmbeddedServer, startEmbeddedServer } from "./embedded/server.ts";
import { opCode } from "./embedded/wire.ts";
import { createLocks } from "./locks.ts";
import { connectSession, type ZooKeeperSession } from "./session.ts";

const EMPTY = new Uint8Array();

describe("while the embedded server's disk is full", () => {
  const dataDir = mkdtempSync(join(tmpdir(), "nodepool-full-disk-"));
  let faults: Faults = {};
  let server: EmbeddedServer;
  let session: ZooKeeperSession;

  before(async () => {
    const switches: Faults = {
      beforeReply: (request) => faults.beforeReply?.(request) ?? "deliver",
      beforeLogWrite: () => faults.beforeLogWrite?.() ?? null,
    };
    server = await startEmbeddedServer({ dataDir, logger: silentLogger, faults: switches });
  });
  after(async () => {
    await server.close();
    rmSync(dataDir, { recursive: true });
  });
  beforeEach(async () => {
    session = connectSession({ servers: [server], sessionTimeoutMs: 20_000, logger: silentLogger });
    await within(PATIENCE_MS, session.connected(), "connect");
  });
  afterEach(async () => {
    faults = {};
    await session.close();
  });

  /** The disk is full until requests of a type were answered so often. */
  function fillDisk(type: number, requests: number): void {
    let answered = 0;
    faults = {
      beforeLogWrite: () => (answered < requests ? new Error("no space left on device") : null),
      beforeReply: (request) => {
        if (request.type === type) answered += 1;
        return "deliver";
      },
    };
  }

  it("a write is refused as one that the server could not do", async () => {
    fillDisk(opCode.create, Infinity);
    await refused(session.create("/a", EMPTY, "persistent"), "CONNECTION_LOSS");
    await session.connected();
    await refused(session.create("/a", EMPTY, "persistent"), "SYSTEM_ERROR");
  });

  it("a lock that is given back is withdrawn as soon as there is room again", async () => {
    const lock = await createLocks(session).acquire("/thing/lock", { createParents: true });
    assert.ok(lock);
    // The write that finds the disk full ends the connection, the next ones are refused.
    fillDisk(opCode.delete, 2);
    await within(PATIENCE_MS, lock.release(), "the release");
    assert.deepEqual(await session.children("/thing/lock"), []);
  });
});
