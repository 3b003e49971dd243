import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { identityOf } from "../../../host/process_identity.ts";
import { systemClock } from "../../../std/clock.ts";
import { ProviderError } from "../../contract.ts";
import { claimFolder } from "./folder_claim.ts";

const folder = mkdtempSync(join(tmpdir(), "nodepool-claim-"));
const lock = join(folder, "launcher.lock");
after(() => rmSync(folder, { recursive: true }));

const claim = () => claimFolder(folder, systemClock);

test("engines of one process have a folder together, until the last has left it", async () => {
  const [first, second] = await Promise.all([claim(), claim()]);
  first();
  assert.ok(existsSync(lock));
  const third = await claim();
  second();
  assert.ok(existsSync(lock));
  third();
  assert.ok(!existsSync(lock));
});

test("a folder that another process has is refused, until that has ended", async () => {
  const other = spawn("sleep", ["60"]);
  await once(other, "spawn");
  writeFileSync(lock, `${identityOf(other.pid ?? 0) ?? other.pid}\n`);
  const isRefused = (error: unknown) =>
    error instanceof ProviderError &&
    error.retryable &&
    error.message.includes(`is in use by the launcher with process id ${other.pid}`);
  // Both at once: one that is refused while the other is waited for would be nobody's rejection.
  await Promise.all([claim(), claim()].map((call) => assert.rejects(call, isRefused)));
  process.kill(other.pid ?? 0, "SIGKILL");
  // Deno tells of the exit a little before the process is gone.
  await once(other, "exit");
  while (identityOf(other.pid ?? 0) !== null) await systemClock.sleep(5);
  (await claim())();
});
