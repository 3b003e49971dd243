// How the launcher's figures are told: with the runtime, and with the target beside each.
import type { Report } from "../zookeeper/report.ts";
import { rounded } from "../zookeeper/report.ts";

/** One figure. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it has to keep to; left out where there is no target. */
  readonly target?: number;
  /** Whether more is better. @default false */
  readonly more?: boolean;
  /** What it is compared with: a measurement of the same run, or Nodepool's, which was measured elsewhere. */
  readonly against?: number;
}

/** Prints figures of one runtime. */
export class Figures {
  readonly #report: Report;
  readonly #runtime: string;

  constructor(report: Report, runtime: string) {
    this.#report = report;
    this.#runtime = runtime;
  }

  tell({ name, value, unit, target, more = false, against }: Figure): void {
    this.#report({
      name: `${this.#runtime}: ${name}`,
      value: rounded(value),
      unit,
      ...(against === undefined ? {} : { against: rounded(against), ratio: rounded(value / against) }),
      ...(target === undefined ? {} : { target, target_met: more ? value >= target : value <= target }),
    });
  }
}

/** The value below which so many of 100 lie. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}
