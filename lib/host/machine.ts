import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";

/** Where programs are, whatever PATH says: root's own are often not on a user's. */
const FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** The machine as this process may use it. */
export interface Machine {
  readonly isRoot: boolean;
  /** Debian or one of its kind, with apt-get. */
  readonly hasApt: boolean;
  /** Runs a program to its end and hears each line of both its outputs; 127 when it cannot be started. */
  run(command: string, args: readonly string[], onLine?: (line: string) => void): Promise<number>;
  sleep(milliseconds: number): Promise<void>;
}

/** The real one. */
export function thisMachine(): Machine {
  return {
    isRoot: process.getuid?.() === 0,
    hasApt: findProgramSync("apt-get") !== null && findProgramSync("dpkg") !== null,
    run,
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  };
}

/** The path of a program in the system's folders, or null. */
export async function findProgram(name: string): Promise<string | null> {
  for (const folder of FOLDERS) {
    const path = join(folder, name);
    if (await isAccessible(path, constants.X_OK)) return path;
  }
  return null;
}

/** Whether a file is there and may be used so. */
export async function isAccessible(path: string, mode: number = constants.R_OK): Promise<boolean> {
  return await access(path, mode).then(
    () => true,
    () => false,
  );
}

function findProgramSync(name: string): string | null {
  const candidates = FOLDERS.map((folder) => join(folder, name));
  const isProgram = (path: string) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  return candidates.find(isProgram) ?? null;
}

async function run(
  command: string,
  args: readonly string[],
  onLine: (line: string) => void = () => {},
): Promise<number> {
  // By way of env, so that the rest of the environment (proxies, for one) stays as it is.
  const settings = ["LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l"];
  const child = spawn("/usr/bin/env", [...settings, command, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const readers = [child.stdout, child.stderr].map((stream) =>
    createInterface({ input: stream }).on("line", onLine),
  );
  try {
    return await new Promise((resolve) => {
      child.on("error", () => resolve(127));
      child.on("close", (code) => resolve(code ?? 1));
    });
  } finally {
    for (const reader of readers) reader.close();
  }
}
