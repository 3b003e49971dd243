import type { Placed } from "./source.ts";
import { ConfigError, type ConfigProblem } from "./types.ts";

/** After so many there is nothing to learn from one more. */
const MAXIMUM_PROBLEMS = 100;

/** Takes what is wrong or doubtful in a file. A message that takes time to find, as one with a near word, is a function. */
export interface Report {
  error(part: Placed, path: string, message: string | (() => string)): void;
  warning(part: Placed, path: string, message: string | (() => string)): void;
}

/** Hands errors on as warnings: for what is in the file and not used here. */
export function tolerant(report: Report): Report {
  const warning: Report["warning"] = (part, path, message) => report.warning(part, path, message);
  return { error: warning, warning };
}

/** Collects what is wrong in the files, so that all of it is said at once. */
export class Problems implements Report {
  readonly #problems: ConfigProblem[] = [];
  readonly #counts = { error: 0, warning: 0 };

  error(part: Placed, path: string, message: string | (() => string)): void {
    this.#add("error", part, path, message);
  }

  warning(part: Placed, path: string, message: string | (() => string)): void {
    this.#add("warning", part, path, message);
  }

  get hasErrors(): boolean {
    return this.#counts.error > 0;
  }

  /** The errors so far, in the order in which they were found. */
  get errors(): readonly ConfigProblem[] {
    return this.#problems.filter(({ severity }) => severity === "error");
  }

  /** The warnings, in the order of the file. @throws {ConfigError} with errors and warnings when there are errors */
  settle(): readonly ConfigProblem[] {
    const unique = new Map(this.#problems.map((problem) => [JSON.stringify(problem), problem]));
    const sorted = [...unique.values()].sort(
      (a, b) =>
        a.file.localeCompare(b.file) || (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0),
    );
    const dropped =
      Math.max(0, this.#counts.error - MAXIMUM_PROBLEMS) +
      Math.max(0, this.#counts.warning - MAXIMUM_PROBLEMS);
    const last = sorted.at(-1);
    if (dropped > 0 && last !== undefined) {
      sorted.push({ ...last, path: "", message: `and ${dropped} more problems of this kind` });
    }
    if (sorted.some((problem) => problem.severity === "error")) throw new ConfigError(sorted);
    return sorted;
  }

  #add(
    severity: ConfigProblem["severity"],
    part: Placed,
    path: string,
    message: string | (() => string),
  ): void {
    this.#counts[severity] += 1;
    if (this.#counts[severity] > MAXIMUM_PROBLEMS) return;
    const { line, column } = part.source.place(part.start);
    const words = typeof message === "string" ? message : message();
    this.#problems.push({ severity, file: part.source.file, line, column, path, message: words });
  }
}
