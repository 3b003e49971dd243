// Sums of amounts by key, from which shares are added and taken away.
import { type Amounts, NOTHING } from "./quota.ts";

export class Tally {
  readonly #sums = new Map<string, Record<string, number>>();

  /** Adds the amounts to the key's sum, or with -1 takes them away. */
  add(key: string, amounts: Amounts, sign: 1 | -1): void {
    const sum = this.#sums.get(key) ?? {};
    for (const name of Object.keys(amounts)) {
      const value = (sum[name] ?? 0) + sign * (amounts[name] ?? 0);
      if (value === 0) delete sum[name];
      else sum[name] = value;
    }
    if (Object.keys(sum).length === 0) this.#sums.delete(key);
    else this.#sums.set(key, sum);
  }

  of(key: string): Amounts {
    return this.#sums.get(key) ?? NOTHING;
  }
}
