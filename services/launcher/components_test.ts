// What a launcher says of itself in the tree, while its connection breaks; the rest is in launcher_reload_test.ts.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { ServiceContext } from "../../lib/daemon/types.ts";
import { componentsPath } from "../../lib/model/paths.ts";
import { systemClock } from "../../lib/std/clock.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { startEmbeddedServer } from "../../lib/zookeeper/embedded/server.ts";
import { connectSession } from "../../lib/zookeeper/session.ts";
import { ZooKeeperError } from "../../lib/zookeeper/types.ts";
import { configOf } from "../../test/harness/launcher.ts";
import { pool } from "../../test/harness/world.ts";
import { Components } from "./components.ts";

test("a launcher that loses its connection while it starts registers itself when it is there again", async () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-components-"));
  const server = await startEmbeddedServer({ dataDir: folder, port: 0, logger: silentLogger });
  const servers = [{ host: server.host, port: server.port }];
  const session = connectSession({ servers, sessionTimeoutMs: 6000, logger: silentLogger });
  const { ensurePath } = session;
  let calls = 0;
  session.ensurePath = async (path) => {
    calls += 1;
    if (calls === 3)
      throw new ZooKeeperError("CONNECTION_LOSS", "the connection broke before the answer", path);
    await ensurePath.call(session, path);
  };
  const context = {
    config: configOf({ labels: { small: {} }, providers: [] }),
    session,
    clock: systemClock,
    logger: silentLogger,
    hostname: "here",
    version: "0.0.0",
  } as unknown as ServiceContext;
  try {
    const components = await Components.open(context, [pool("cloud/main", ["small"])]);
    for (const kind of ["launcher", "pool"]) {
      assert.equal((await session.children(componentsPath(kind))).length, 1);
    }
    await components.close();
  } finally {
    await session.close();
    await server.close();
    rmSync(folder, { recursive: true });
  }
});
