import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import { temporaryDirectory } from "../../../test/harness/local_provider.ts";
import type { LogFields, Logger } from "../../std/logger.ts";
import { silentLogger } from "../../std/logger.ts";
import { startPodmanService } from "./podman_service.ts";

const skip = process.getuid?.() === 0 ? false : "an engine with storage of its own needs root";

/** Holds what Podman locks before it reads its storage. */
const HOLD_LOCK = `
import fcntl, sys, time
file = open(sys.argv[1], "r+")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
`;

describe("a Podman of our own", { skip }, () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

  before(async () => {
    directory = await temporaryDirectory();
  });
  after(() => directory.remove());

  const start = (startMs?: number, logger: Logger = silentLogger) =>
    startPodmanService({
      directory: directory.path,
      env: {},
      logger,
      evenIfSocket: true,
      ...(startMs === undefined ? {} : { startMs }),
    });

  test("that is slow to answer is not given another storage driver, and starts later with what it had", async () => {
    const first = await start();
    assert.ok(first !== null, "podman does not start (package podman)");
    await first.stop();
    const storage = join(directory.path, "storage");
    const before = (await readdir(storage)).sort();
    const holder = spawn("python3", ["-c", HOLD_LOCK, join(storage, "storage.lock")], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(holder.stdout, "data");
    const warnings: LogFields[] = [];
    const logger = {
      ...silentLogger,
      warn: (_text: string, fields?: LogFields) => warnings.push(fields ?? {}),
    };
    assert.equal(await start(1000, logger as unknown as Logger), null);
    holder.kill();
    await once(holder, "close");
    assert.deepEqual(warnings, [
      { problem: "no answer within 1 s: it says nothing", driver: "podman's choice" },
    ]);
    assert.deepEqual((await readdir(storage)).sort(), before);
    const again = await start();
    assert.ok(again !== null);
    await again.stop();
  });
});
