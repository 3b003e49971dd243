// One server per data directory: a lock file that names its process.

import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { codeOf } from "../../std/errors.ts";

/** Another server uses the directory. */
export class DirectoryInUseError extends Error {
  override name = "DirectoryInUseError";
}

/**
 * Takes a directory for this process; the returned function gives it back. The lock of a process that has ended is
 * taken over.
 * @throws {DirectoryInUseError} or a system error
 */
export function lockDirectory(directory: string): () => void {
  const file = join(directory, "server.lock");
  const own = `${process.pid} ${startOf(process.pid)}\n`;
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      writeFileSync(file, own, { flag: "wx" });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
    const holder = readLock(file);
    if (holder === null) continue;
    if (isAlive(holder)) {
      throw new DirectoryInUseError(
        `${directory} is in use by the server with process id ${holder.split(" ")[0]}: ` +
          `stop that one first, or give this one another directory (the lock is ${file})`,
      );
    }
    removeStale(file, holder);
  }
  throw new DirectoryInUseError(`${directory} is being taken by another server at this moment`);
}

function readLock(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
}

/** Whether the process that wrote a lock is still the one that has this id: ids are used again. */
function isAlive(holder: string): boolean {
  const [pid = "", start = ""] = holder.trim().split(" ");
  return /^\d+$/.test(pid) && startOf(Number(pid)) === start && start !== "";
}

/** When a process was started (in whatever unit the system has), `running` when that is unknown, "" when it is gone. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold spaces; the start time is the 20th field after it.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "running";
  } catch {
    try {
      process.kill(pid, 0);
      return "running";
    } catch (error) {
      return codeOf(error) === "EPERM" ? "running" : "";
    }
  }
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
