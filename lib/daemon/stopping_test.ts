import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Clock } from "../std/clock.ts";
import { type Logger, silentLogger } from "../std/logger.ts";
import { Stopping, startGrace } from "./stopping.ts";

interface Given {
  readonly endsWithTerminal?: boolean;
  readonly profileFolder?: string;
  readonly logger?: Logger;
}

function scene(given: Given = {}) {
  const events = new EventEmitter();
  const exits: number[] = [];
  const timers: { at: number; callback: () => void }[] = [];
  let now = 0;
  const clock: Clock = {
    now: () => now,
    sleep: async () => {},
    after: (milliseconds, callback) => {
      const timer = { at: now + milliseconds, callback };
      timers.push(timer);
      return () => void timers.splice(timers.indexOf(timer), 1);
    },
  };
  const host = {
    argv: [],
    env: {},
    pid: 7,
    stdout: { write: () => {}, writableLength: 0, on: () => {} },
    stderr: { write: () => {}, on: () => {} },
    on: (event: string, listener: (first: unknown) => void) => events.on(event, listener),
    exit: (code: number) => exits.push(code),
  };
  const stopping = new Stopping({
    host,
    program: "nodepool-test",
    logger: silentLogger,
    clock,
    profileFolder: "/nonexistent",
    ...given,
  });
  const pass = (milliseconds: number) => {
    now += milliseconds;
    for (const timer of timers.filter(({ at }) => at <= now)) timer.callback();
  };
  return { events, exits, stopping, clock, pass };
}

test("the first signal asks to stop, a second one ends the process", () => {
  const { events, exits, stopping, pass } = scene();
  events.emit("SIGTERM", "SIGTERM");
  assert.equal(stopping.signal.aborted, true);
  assert.deepEqual(exits, []);
  pass(1000);
  events.emit("SIGINT", "SIGINT");
  assert.deepEqual(exits, [130]);
});

test("a signal that a wrapper repeats at once is one wish", () => {
  const { events, exits, pass } = scene();
  events.emit("SIGINT", "SIGINT");
  pass(100);
  events.emit("SIGINT", "SIGINT");
  assert.deepEqual(exits, []);
});

test("a terminal that is gone stops what belongs to it, and is not impatient", () => {
  const { events, exits, stopping, pass } = scene({ endsWithTerminal: true });
  events.emit("SIGHUP", "SIGHUP");
  assert.equal(stopping.signal.aborted, true);
  pass(1000);
  events.emit("SIGHUP", "SIGHUP");
  assert.deepEqual(exits, []);
  events.emit("SIGTERM", "SIGTERM");
  assert.deepEqual(exits, [143]);
});

test("SIGHUP stops no daemon, for which it means something else", () => {
  const { events, stopping } = scene();
  events.emit("SIGHUP", "SIGHUP");
  assert.equal(stopping.signal.aborted, false);
});

test("SIGUSR1 asks to stop, as with Nodepool", () => {
  const { events, stopping } = scene();
  events.emit("SIGUSR1", "SIGUSR1");
  assert.equal(stopping.signal.aborted, true);
});

test("SIGUSR2 starts a CPU profile, the next one writes it, and neither stops anything", async () => {
  const profileFolder = await mkdtemp(join(tmpdir(), "nodepool-stopping-"));
  const told = new EventEmitter();
  const write = (message: string) => void told.emit(message.replace(/:.*/, ""));
  const logger: Logger = { debug: write, info: write, warn: write, error: write, child: () => logger };
  try {
    const { events, stopping } = scene({ profileFolder, logger });
    const written = once(told, "cpu profile written", { signal: AbortSignal.timeout(60_000) });
    events.emit("SIGUSR2", "SIGUSR2");
    events.emit("SIGUSR2", "SIGUSR2");
    await written;
    assert.equal(stopping.signal.aborted, false);
    assert.deepEqual(await readdir(profileFolder), ["nodepool-test-7-1.cpuprofile"]);
  } finally {
    await rm(profileFolder, { recursive: true });
  }
});

test("an error that nobody caught ends the process with 70", () => {
  const { events, exits } = scene();
  events.emit("uncaughtException", new Error("a defect"));
  events.emit("unhandledRejection", new Error("another"));
  assert.deepEqual(exits, [70, 70]);
});

test("the grace ends with a signal, and a little later by force", () => {
  const { exits, stopping, clock, pass } = scene();
  const grace = startGrace(stopping, clock, 30);
  pass(29_999);
  assert.equal(grace.signal.aborted, false);
  pass(1);
  assert.equal(grace.signal.aborted, true);
  assert.deepEqual(exits, []);
  pass(5000);
  assert.deepEqual(exits, [70]);
});

test("a grace that was not needed ends nothing", () => {
  const { exits, stopping, clock, pass } = scene();
  startGrace(stopping, clock, 1).release();
  pass(60_000);
  assert.deepEqual(exits, []);
});
