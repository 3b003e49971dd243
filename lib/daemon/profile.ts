// A CPU profile that an operator switches on and off in a running process.
import { writeFile } from "node:fs/promises";
import type { Session } from "node:inspector/promises";
import { join } from "node:path";
import type { Logger } from "../std/logger.ts";

/** Where profiles go, and how they are told apart. */
export interface ProfilerOptions {
  readonly folder: string;
  /** The file's name begins with this. */
  readonly name: string;
  readonly logger: Logger;
}

/** Starts a profile at one call and writes it at the next; says in the log what it does. Never throws. */
export function createProfiler(options: ProfilerOptions): { toggle(): Promise<void> } {
  const { logger } = options;
  let running: Session | null = null;
  let count = 0;
  let turn: Promise<void> = Promise.resolve();

  const start = async () => {
    const { Session: InspectorSession } = await import("node:inspector/promises");
    const session = new InspectorSession();
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.start");
    running = session;
    logger.info("cpu profile started: signal again to write it");
  };

  const finish = async (session: Session) => {
    running = null;
    const { profile } = await session.post("Profiler.stop");
    session.disconnect();
    count += 1;
    const file = join(options.folder, `${options.name}-${count}.cpuprofile`);
    await writeFile(file, JSON.stringify(profile), { mode: 0o600 });
    logger.info("cpu profile written: open it in a browser's developer tools", { file });
  };

  const toggle = async () => {
    try {
      await (running === null ? start() : finish(running));
    } catch (error) {
      logger.warn("cpu profile failed: this runtime may not have the inspector", { error });
    }
  };
  return {
    toggle: () => {
      turn = turn.then(toggle);
      return turn;
    },
  };
}
