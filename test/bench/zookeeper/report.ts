// The form of a result, and the arithmetic of the comparisons.

/** One result; the target is for `ratio` where there is one, else for `value`. */
export interface Result {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the other party needed or reached, in the same run. */
  readonly against?: number;
  /** Ours divided by theirs for rates, theirs divided by ours for costs: above 1 is better than they are. */
  readonly ratio?: number;
  readonly target?: number;
  readonly target_met?: boolean;
}

export type Report = (result: Result) => void;

/** Compares measurements that were taken in pairs; `value` and `against` are medians, `ratio` is that of the pairs. */
export function compared(options: {
  name: string;
  unit: string;
  ours: readonly number[];
  theirs: readonly number[];
  /** What is better: more of a rate, less of a cost. */
  better: "more" | "less";
  target: number;
}): Result {
  const { name, unit, ours, theirs, better, target } = options;
  const ratios = ours.map((own, round) => {
    const other = theirs[round] ?? own;
    return better === "more" ? own / other : other / own;
  });
  const ratio = Number(median(ratios).toFixed(2));
  return {
    name,
    value: rounded(median(ours)),
    unit,
    against: rounded(median(theirs)),
    ratio,
    target,
    target_met: ratio >= target,
  };
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** With three digits, or as a whole number where it is large. */
export function rounded(value: number): number {
  return value >= 1000 ? Math.round(value) : Number(value.toPrecision(3));
}
