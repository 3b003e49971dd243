import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Logger } from "../std/logger.ts";
import { createProfiler } from "./profile.ts";

const scene = (folder: string) => {
  const messages: string[] = [];
  const write = (message: string) => void messages.push(message.replace(/:.*/, ""));
  const logger: Logger = { debug: write, info: write, warn: write, error: write, child: () => logger };
  return { messages, profiler: createProfiler({ folder, name: "nodepool-test-1", logger }) };
};

test("the first call starts a profile and the second writes it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-profile-"));
  const { messages, profiler } = scene(folder);
  try {
    await profiler.toggle();
    await profiler.toggle();
    assert.deepEqual(messages, ["cpu profile started", "cpu profile written"]);
    assert.deepEqual(readdirSync(folder), ["nodepool-test-1-1.cpuprofile"]);
    const profile = JSON.parse(readFileSync(join(folder, "nodepool-test-1-1.cpuprofile"), "utf8"));
    assert.ok(profile.nodes.length > 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a profile that cannot be written is told of, and the next call starts another one", async () => {
  const { messages, profiler } = scene("/nonexistent");
  for (let calls = 0; calls < 4; calls += 1) await profiler.toggle();
  const once = ["cpu profile started", "cpu profile failed"];
  assert.deepEqual(messages, [...once, ...once]);
});
