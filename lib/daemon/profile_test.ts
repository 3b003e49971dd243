import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Logger } from "../std/logger.ts";
import { createProfiler } from "./profile.ts";

test("the first call starts a profile and the second writes it, or the log says that there is none", async () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-profile-"));
  const messages: string[] = [];
  const write = (message: string) => void messages.push(message);
  const logger: Logger = { debug: write, info: write, warn: write, error: write, child: () => logger };
  try {
    const profiler = createProfiler({ folder, name: "nodepool-test-1", logger });
    await profiler.toggle();
    await profiler.toggle();
    if (messages.some((message) => message.startsWith("cpu profile failed"))) {
      assert.ok("Deno" in globalThis, "Node.js has an inspector");
      return;
    }
    assert.deepEqual(readdirSync(folder), ["nodepool-test-1-1.cpuprofile"]);
    const profile = JSON.parse(readFileSync(join(folder, "nodepool-test-1-1.cpuprofile"), "utf8"));
    assert.ok(profile.nodes.length > 0);
    assert.equal(messages.length, 2);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
