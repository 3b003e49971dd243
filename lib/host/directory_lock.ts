// One process per directory: a lock file that names it.
//
// Whether a process in another container or on another host lives cannot be seen from here. So who has the lock touches it
// each second, and who finds one of a process that cannot be seen waits for a touch before it takes it over.

import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Clock } from "../std/clock.ts";
import { codeOf } from "../std/errors.ts";
import { hasEnded, identityOf, isAlive, isRunning } from "./process_identity.ts";

/** Another process uses the directory. */
export class DirectoryInUseError extends Error {
  override name = "DirectoryInUseError";
}

const TOUCH_MS = 1_000;
/** How long to wait for a touch: a process may be busy for a while. */
const PATIENCE_MS = 4_000;
const LOOK_MS = 200;

/**
 * Takes a directory for this process; the returned function gives it back. The lock of a process that has ended is
 * taken over.
 * @param who what takes directories of this kind, for the lock's name and for people
 * @throws {DirectoryInUseError} or a system error
 */
export async function lockDirectory(
  directory: string,
  who: "server" | "launcher",
  clock: Clock,
): Promise<() => void> {
  const file = join(directory, `${who}.lock`);
  const own = identityOf(process.pid) ?? `${process.pid}`;
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      writeFileSync(file, `${own}\n`, { flag: "wx" });
      return keep(file, clock);
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
    const lock = readLock(file);
    if (lock === null) continue;
    const holder = lock.trim();
    if (await isHeld(file, holder, clock)) {
      const pid = holder.split("/")[2] ?? holder;
      const where = isSeen(holder) ? "" : " in another container or on another host";
      throw new DirectoryInUseError(
        `${directory} is in use by the ${who} with process id ${pid}${where}: ` +
          `stop that one first, or give this one another directory (the lock is ${file})`,
      );
    }
    removeStale(file, lock);
  }
  throw new DirectoryInUseError(`${directory} is being taken by another ${who} at this moment`);
}

/** Touches the lock until it is given back. */
function keep(file: string, clock: Clock): () => void {
  let cancel = () => {};
  const touch = () => {
    try {
      const now = clock.now() / 1000;
      utimesSync(file, now, now);
    } catch {
      // Nobody needs it but who finds the lock.
    }
    cancel = clock.after(TOUCH_MS, touch);
  };
  touch();
  return () => {
    cancel();
    rmSync(file, { force: true });
  };
}

function readLock(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
}

/** Whether it can be told from here if the process that wrote a lock lives. */
const isSeen = (holder: string) => !holder.includes("/") || hasEnded(holder) || isRunning(holder);

async function isHeld(file: string, holder: string, clock: Clock): Promise<boolean> {
  if (!holder.includes("/")) return /^\d+$/.test(holder) && isAlive(Number(holder));
  if (isSeen(holder)) return isRunning(holder);
  const before = touchedAt(file);
  for (let waited = 0; waited < PATIENCE_MS; waited += LOOK_MS) {
    await clock.sleep(LOOK_MS);
    const now = touchedAt(file);
    if (now !== before) return now !== null;
  }
  return false;
}

function touchedAt(file: string): number | null {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? null;
}

/** Removes a lock, but not one that somebody else has put there in the meantime. */
function removeStale(file: string, expected: string): void {
  const aside = `${file}.${process.pid}.unfinished`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  try {
    if (readFileSync(aside, "utf8") !== expected) linkSync(aside, file);
  } finally {
    rmSync(aside, { force: true });
  }
}
