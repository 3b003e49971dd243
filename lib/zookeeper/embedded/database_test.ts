import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../std/clock.ts";
import { type Logger, silentLogger } from "../../std/logger.ts";
import { readBlocks } from "./blocks.ts";
import { Database, type DatabaseOptions } from "./database.ts";
import { logName } from "./log.ts";
import { DamagedDataError } from "./recovery.ts";
import type { State } from "./state.ts";
import type { Change } from "./tree.ts";
import { errorCode } from "./wire.ts";

const root = mkdtempSync(join(tmpdir(), "nodepool-embedded-"));
let directory = "";
let directories = 0;

beforeEach(() => {
  directory = newDirectory();
});
after(() => rmSync(root, { recursive: true }));

function newDirectory(): string {
  const path = join(root, String(directories++));
  mkdirSync(path);
  return path;
}

/** A database, and a way to wait until all that was committed is durable. */
function open(more: Partial<DatabaseOptions> = {}) {
  let rolledBack = 0;
  const database = new Database({
    directory,
    clock: systemClock,
    logger: silentLogger,
    faults: {},
    logFileBytes: 1 << 24,
    onDurable: () => {},
    onRolledBack: () => {
      rolledBack++;
    },
    ...more,
  });
  const commit = (...changes: Change[]) => database.commit({ changes, opened: null, closed: null });
  const settle = async () => {
    while (database.durable < database.state.zxid) await sleep(1);
  };
  return { database, commit, settle, rolledBack: () => rolledBack };
}

const create = (path: string, text = path): Change => ({
  kind: "create",
  path,
  data: new TextEncoder().encode(text),
  ephemeralOwner: 0n,
  sequential: false,
});

/** Everything that counts in a state. */
function dump(state: State): unknown {
  const nodes = [...state.tree.entries()].map(([path, { data, children, ...rest }]) => ({
    path,
    data: data && Buffer.from(data).toString(),
    children: [...(children ?? [])].sort(),
    ...rest,
  }));
  const sessions = [...state.sessions.values()].map(({ id, timeout, password }) => [
    id,
    timeout,
    [...password],
  ]);
  return { zxid: state.zxid, sessions, nodes: nodes.sort((a, b) => (a.path < b.path ? -1 : 1)) };
}

/** Commits one after the other, so that each has its own block; returns the states after 0, 1, 2, ... of them. */
async function history(count: number): Promise<unknown[]> {
  const { database, commit, settle } = open();
  const states = [dump(database.state)];
  for (let index = 0; index < count; index++) {
    assert.ok(commit(create(`/n${index}`)).committed);
    await settle();
    states.push(dump(database.state));
  }
  await database.close();
  return states;
}

const filesOf = (kind: "log" | "snapshot") =>
  readdirSync(directory)
    .filter((name) => name.startsWith(`${kind}.`))
    .sort();

const onlyLog = () => join(directory, filesOf("log")[0] ?? "");

test("what was committed is there again: znodes, sessions, ephemerals, sequence numbers", async () => {
  const { database, commit } = open();
  const opened = { id: 9n, timeout: 5_000, password: new Uint8Array([1, 2, 3]) };
  database.commit({ changes: [], opened, closed: null });
  database.commit({ changes: [], opened: { ...opened, id: 10n }, closed: null });
  commit(create("/a"), { kind: "check", path: "/a", version: 0 });
  commit({ ...create("/a/s-"), sequential: true, ephemeralOwner: 9n } as Change);
  commit({ kind: "set", path: "/a", data: null, version: 0 }, { kind: "setAcl", path: "/a", version: 0 });
  commit(create("/a/gone"));
  commit({ kind: "delete", path: "/a/gone", version: 0 });
  database.commit({ changes: [], opened: null, closed: 10n });
  const before = dump(database.state);
  await database.close();

  const again = open().database;
  assert.deepEqual(dump(again.state), before);
  assert.deepEqual(again.state.tree.ephemeralsOf(9n), ["/a/s-0000000000"]);
  await again.close();
});

test("many commits at once share one write", async () => {
  const { database, commit } = open();
  for (let index = 0; index < 100; index++) commit(create(`/n${index}`));
  await database.close();
  assert.equal(readBlocks(readFileSync(onlyLog())).payloads.length, 1);
});

test("a log that was cut off at any byte gives the state of its last whole write", async () => {
  const states = await history(4);
  const source = onlyLog();
  const bytes = readFileSync(source);
  for (let length = bytes.length; length >= 0; length--) {
    directory = newDirectory();
    copyFileSync(source, join(directory, "log.0000000000000001"));
    truncateSync(onlyLog(), length);
    const whole = readBlocks(bytes.subarray(0, length)).payloads.length;
    const { database, commit } = open();
    assert.deepEqual(dump(database.state), states[whole], `cut off at ${length}`);
    if (length % 16 === 0) {
      // And it goes on from there.
      assert.ok(commit(create("/after")).committed);
      const expected = dump(database.state);
      await database.close();
      const again = open().database;
      assert.deepEqual(dump(again.state), expected);
      await again.close();
    } else {
      await database.close();
    }
  }
});

test("a damaged byte in the middle of the log is refused, with file and offset; in the last write it is cut off", async () => {
  const states = await history(3);
  const file = onlyLog();
  const good = readFileSync(file);
  const { payloads } = readBlocks(good);
  const lastStart = (payloads.at(-1)?.byteOffset ?? 0) - good.byteOffset - 12;
  for (let at = 0; at < good.length; at++) {
    const bad = Buffer.from(good);
    bad[at] = (bad[at] ?? 0) ^ 0x55;
    writeFileSync(file, bad);
    if (at >= lastStart) {
      const { database } = open();
      assert.deepEqual(dump(database.state), states[2]);
      await database.close();
    } else {
      assert.throws(open, (error) => {
        assert.ok(error instanceof DamagedDataError);
        assert.equal(error.file, file);
        assert.ok(error.offset <= at && error.offset + 200 > at, `${error.offset} is near ${at}`);
        assert.ok(error.message.startsWith(`${file} is damaged at byte ${error.offset}: `), error.message);
        return true;
      });
    }
  }
});

test("a log that is missing is noticed", async () => {
  const { database, commit, settle } = open({ logFileBytes: 1 });
  for (let index = 0; index < 4; index++) {
    commit(create(`/n${index}`));
    await settle();
    await sleep(20);
  }
  await database.close();
  const logs = filesOf("log");
  assert.ok(logs.length > 1);
  rmSync(join(directory, logs[0] ?? ""));
  for (const name of readdirSync(directory)) if (name.startsWith("snapshot.")) rmSync(join(directory, name));
  assert.throws(open, /the transactions 1 to \d+ before it are missing/);
});

/** Runs a database that takes a snapshot every few commits; returns its last state. */
async function withSnapshots(): Promise<unknown> {
  const { database, commit, settle } = open({ logFileBytes: 2_000 });
  const opened = { id: 3n, timeout: 5_000, password: new Uint8Array(16) };
  database.commit({ changes: [], opened, closed: null });
  for (let index = 0; index < 200; index++) {
    commit(create(`/n${index}`, "x".repeat(50)));
    if (index % 2 === 0) commit({ kind: "delete", path: `/n${index}`, version: -1 });
    if (index % 7 === 0) await settle();
  }
  // A snapshot takes its time, and none is begun while another is being written.
  for (let more = 0; filesOf("snapshot").length < 2; more++) {
    commit(create(`/more${more}`, "x".repeat(2_000)));
    await settle();
    await sleep(1);
  }
  const last = dump(database.state);
  await database.close();
  return last;
}

test("snapshots replace the log before them, and two are kept", async () => {
  const before = await withSnapshots();
  const names = readdirSync(directory).sort();
  assert.equal(names.filter((name) => name.startsWith("snapshot.")).length, 2, names.join());
  assert.ok(!names.includes("log.0000000000000001"), names.join());
  const { database } = open();
  assert.deepEqual(dump(database.state), before);
  await database.close();
});

test("a new log that cannot be begun leaves nothing that would make a torn write look like damage", async () => {
  const { database, commit, settle } = open({ logFileBytes: 1_000 });
  // It can be opened, but not cut to a length, as with a disk that fails at that moment.
  symlinkSync("/dev/null", join(directory, logName(2)));
  commit(create("/a", "x".repeat(1_000)));
  await settle();
  commit(create("/b"));
  await settle();
  const logs = readdirSync(directory).filter((name) => name.startsWith("log."));
  assert.deepEqual(logs, [logName(1)]);
  await database.close();
  appendFileSync(join(directory, logName(1)), "torn");
  const again = open();
  assert.equal(again.database.state.zxid, 2);
  await again.database.close();
});

test("a damaged snapshot is passed over for the one before it; without one the start is refused", async () => {
  const before = await withSnapshots();
  const snapshots = readdirSync(directory)
    .filter((name) => name.startsWith("snapshot."))
    .sort()
    .reverse();
  const damage = (name = "") => {
    const file = join(directory, name);
    const bytes = readFileSync(file);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    return file;
  };
  const newest = damage(snapshots[0]);
  const warnings: unknown[] = [];
  const logger: Logger = { ...silentLogger, warn: (message, fields) => warnings.push(message, fields?.file) };
  const { database } = open({ logger });
  assert.deepEqual(dump(database.state), before);
  assert.deepEqual(warnings, ["snapshot is damaged, trying what was there before it", newest]);
  await database.close();
  damage(snapshots[1]);
  assert.throws(open, DamagedDataError);
});

test("when the disk is full, what is not on it is taken back and writes are refused until there is room", async () => {
  let full: Error | null = null;
  const { database, commit, settle, rolledBack } = open({ faults: { beforeLogWrite: () => full } });
  commit(create("/kept"));
  await settle();
  const before = dump(database.state);
  full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  assert.ok(commit(create("/lost")).committed);
  assert.ok(commit({ kind: "set", path: "/lost", data: null, version: 0 }).committed);
  assert.ok(commit({ kind: "delete", path: "/kept", version: 0 }).committed);
  while (rolledBack() === 0) await sleep(1);
  assert.deepEqual(dump(database.state), before);
  assert.deepEqual(commit(create("/refused")), { committed: false, index: 0, code: errorCode.systemError });
  assert.equal(database.failure?.message, "no space left on device");
  full = null;
  while (database.failure) await sleep(20);
  assert.ok(commit(create("/again")).committed);
  const afterwards = dump(database.state);
  await database.close();
  const again = open().database;
  assert.deepEqual(dump(again.state), afterwards);
  await again.close();
});
