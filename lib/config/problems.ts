import type { Placed } from "./document.ts";
import { ConfigError, type ConfigProblem } from "./types.ts";

/** After so many there is nothing to learn from one more. */
const MAXIMUM_PROBLEMS = 100;

/** Collects what is wrong in the files, so that all of it is said at once. */
export class Problems {
  readonly #problems: ConfigProblem[] = [];
  #dropped = 0;

  error(part: Placed, path: string, message: string): void {
    this.#add("error", part, path, message);
  }

  warning(part: Placed, path: string, message: string): void {
    this.#add("warning", part, path, message);
  }

  /** The warnings, in the order of the file. @throws {ConfigError} with errors and warnings when there are errors */
  settle(): readonly ConfigProblem[] {
    const unique = new Map(this.#problems.map((problem) => [JSON.stringify(problem), problem]));
    const sorted = [...unique.values()].sort(
      (a, b) =>
        a.file.localeCompare(b.file) || (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0),
    );
    const last = sorted.at(-1);
    if (this.#dropped > 0 && last !== undefined) {
      sorted.push({ ...last, path: "", message: `and ${this.#dropped} more problems of this kind` });
    }
    if (sorted.some((problem) => problem.severity === "error")) throw new ConfigError(sorted);
    return sorted;
  }

  #add(severity: ConfigProblem["severity"], part: Placed, path: string, message: string): void {
    if (this.#problems.filter((problem) => problem.severity === severity).length >= MAXIMUM_PROBLEMS) {
      this.#dropped += 1;
      return;
    }
    const { line, column } = part.source.place(part.start);
    this.#problems.push({ severity, file: part.source.file, line, column, path, message });
  }
}
