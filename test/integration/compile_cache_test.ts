import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { PROJECT, runCommand } from "../harness/program.ts";

const version = (cacheHome: string) =>
  runCommand("node", [join(PROJECT, "bin/nodepool.js"), "version"], {
    env: { XDG_CACHE_HOME: cacheHome, NODE_COMPILE_CACHE: "" },
  });

describe("what Node.js made of the sources", () => {
  it("is kept in the user's folder for caches", async () => {
    const caches = await mkdtemp(join(tmpdir(), "nodepool-cache-"));
    try {
      const { code, stderr } = await version(caches);
      assert.deepEqual([code, stderr], [0, ""]);
      const kept = await readdir(join(caches, "nodepool"), { recursive: true });
      assert.ok(kept.length > 10, `kept: ${kept}`);
    } finally {
      await rm(caches, { recursive: true });
    }
  });

  it("is made anew each time where nothing can be kept", async () => {
    const { code, stdout, stderr } = await version("/dev/null/caches");
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^Nodepool version: /);
  });
});
