import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { Writable } from "node:stream";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { createLogger, type LogFormat } from "./logger.ts";
import { turnWriter } from "./turn_writer.ts";

function opened() {
  const writes: string[] = [];
  const host = new EventEmitter();
  const output = new Writable({
    write: (bytes, _encoding, done) => {
      writes.push(String(bytes));
      done();
    },
  });
  return { writes, host, log: turnWriter(output, host, () => {}) };
}

/** A reader that takes nothing until it is told to. */
function stalled() {
  const taken: string[] = [];
  let isReading = false;
  let go = () => {};
  const output = new Writable({
    write: (bytes, _encoding, done) => {
      const take = () => {
        taken.push(String(bytes));
        done();
      };
      if (isReading) take();
      else go = take;
    },
  });
  const read = async () => {
    const drained = once(output, "drain");
    isReading = true;
    go();
    await drained;
    await turn();
  };
  return { output, taken, read };
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

for (const format of ["json", "text"] as const satisfies LogFormat[]) {
  test(`a reader that stalls costs a few megabytes, and is told in ${format} how many lines it missed`, async () => {
    const { output, taken, read } = stalled();
    const logger = createLogger({
      name: "test",
      level: "info",
      format,
      destination: turnWriter(output, new EventEmitter(), (lines) => logger.warn("dropped", { lines })),
    });
    const text = "x".repeat(100_000);
    let most = 0;
    for (let line = 0; line < 200; line += 1) {
      logger.info(text);
      await turn();
      most = Math.max(most, output.writableLength);
    }
    assert.ok(most < 5_000_000, `${most} bytes waited`);
    await read();
    logger.info("heard again");
    await turn();
    const lines = taken.join("").trimEnd().split("\n");
    const kept = lines.filter((line) => line.includes(text)).length;
    assert.ok(kept >= 40, `${kept} lines were kept`);
    const [told, last, ...more] = lines.slice(kept);
    const count = format === "json" ? `"lines":${200 - kept}` : `lines=${200 - kept}`;
    assert.ok(told?.includes(count), `${told}`);
    assert.match(told ?? "", format === "json" ? /"level":"warn"/ : / WARN test: dropped/);
    assert.match(last ?? "", /heard again/);
    assert.deepEqual(more, []);
  });
}
