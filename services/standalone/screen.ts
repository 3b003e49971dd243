// What `npm start` shows: one screen that is drawn anew on a terminal, and one line a change anywhere else.
import logUpdate from "log-update";

/** Where the screen is shown. */
export interface Screen {
  /** A line that stays: what is set up, what was found, what went wrong. */
  note(line: string): void;
  /** Replaces the lines below the notes. */
  show(lines: readonly string[]): void;
  /** Leaves what is shown and gives the terminal back. */
  close(): void;
}

/** A terminal's screen: the lines are drawn over each other. */
export function terminalScreen(write: (text: string) => void): Screen {
  let shown: readonly string[] = [];
  const draw = () => logUpdate(shown.map((line) => `  ${line}`).join("\n"));
  return {
    note: (line) => {
      logUpdate.clear();
      write(`${line}\n`);
      draw();
    },
    show: (lines) => {
      shown = lines;
      draw();
    },
    close: () => logUpdate.done(),
  };
}

/** Plain output, for a file or a pipe: each line once, when it appears or changes. */
export function plainScreen(write: (text: string) => void): Screen {
  let shown = new Set<string>();
  return {
    note: (line) => write(`${line}\n`),
    show: (lines) => {
      for (const line of lines) if (!shown.has(line)) write(`  ${line}\n`);
      shown = new Set(lines);
    },
    close: () => {},
  };
}
