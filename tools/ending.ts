// What has to be undone when Ctrl-C or SIGTERM ends a run from outside.
import process from "node:process";

type Undo = () => void | Promise<void>;

const steps: Undo[] = [];
let ending = false;

/** Whether the run is being ended: then nothing more is begun. */
export function isEnding(): boolean {
  return ending;
}

/** Has `undo` done when the run is ended, in the order in which they were named. @returns what takes that back */
export function whenEnded(undo: Undo): () => void {
  steps.push(undo);
  return () => void steps.splice(steps.indexOf(undo), 1);
}

async function end(exitCode: number): Promise<void> {
  ending = true;
  for (const undo of [...steps]) {
    try {
      await undo();
    } catch (error) {
      console.error(error);
    }
  }
  process.exit(exitCode);
}

process.once("SIGINT", () => void end(130));
process.once("SIGTERM", () => void end(143));
