import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { measure } from "../../test/harness/metrics.ts";
import { nodePath } from "../model/paths.ts";
import { silentLogger } from "../std/logger.ts";
import { startEmbeddedServer } from "./embedded/server.ts";
import { connectSession } from "./session.ts";
import { openView } from "./tree_view.ts";

test("the copy's size is told as it is when metrics are collected, not as it was when the tree was read", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "nodepool-view-telemetry-"));
  const measured = measure();
  const server = await startEmbeddedServer({ dataDir, logger: silentLogger });
  const session = connectSession({ servers: [server], sessionTimeoutMs: 10_000, logger: silentLogger });
  const view = openView(session, silentLogger);
  const size = async () => (await measured.shown("nodepool.view.znodes"))[0]?.[1] ?? 0;
  try {
    await view.ready();
    await session.ensurePath(nodePath("0000000001"));
    await view.settled();
    const before = await size();
    for (const id of ["0000000002", "0000000003"]) await session.ensurePath(nodePath(id));
    await session.delete(nodePath("0000000001"), -1);
    await view.settled();
    assert.equal((await size()) - before, 1);
  } finally {
    await view.close();
    await session.close();
    await server.close();
    await measured.end();
    rmSync(dataDir, { recursive: true });
  }
});
