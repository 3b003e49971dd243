// A log in a file.
import { appendFileSync } from "node:fs";
import { messageOf } from "../std/errors.ts";
import type { Output } from "./turn_writer.ts";

/** How many lines a file did not take, and what the system said last. */
export interface LogGap {
  readonly lines: number;
  readonly problem: string;
}

/**
 * Appends whole lines to a file. Those that it does not take, on a full disk say, are lost, and the process goes on; `onGap`
 * hears of them when the file takes lines again.
 *
 * The file is opened for each write: where it was moved away, as by logrotate, a new one is begun.
 */
export function appendingFile(path: string, onGap: (gap: LogGap) => void): Output {
  let gap: LogGap | null = null;
  return {
    write: (lines) => {
      try {
        // A line that was written in part must not run into the next one.
        appendFileSync(path, gap === null ? lines : `\n${lines}`, { mode: 0o600 });
      } catch (error) {
        const lost = lines.split("\n").length - 1;
        gap = { lines: (gap?.lines ?? 0) + lost, problem: messageOf(error) };
        return;
      }
      const ended = gap;
      gap = null;
      if (ended !== null) onGap(ended);
    },
    // Nothing waits: a write is done when it returns.
    writableLength: 0,
    on: () => {},
  };
}
