import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { turnWriter } from "./turn_writer.ts";

function opened() {
  const writes: string[] = [];
  const host = new EventEmitter();
  return { writes, host, log: turnWriter({ write: (text) => writes.push(text) }, host) };
}

test("lines of one turn are one write, those of the next another", async () => {
  const { writes, log } = opened();
  log.write("one\n");
  await Promise.resolve();
  log.write("two\n");
  await turn();
  log.write("three\n");
  await turn();
  assert.deepEqual(writes, ["one\ntwo\n", "three\n"]);
});

test("the last lines are written before the process exits, and not again", async () => {
  const { writes, host, log } = opened();
  log.write("the end\n");
  host.emit("exit", 70);
  assert.deepEqual(writes, ["the end\n"]);
  await turn();
  assert.deepEqual(writes, ["the end\n"]);
});
