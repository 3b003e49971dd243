// Pools of other launchers that were registered and are gone at this moment, as a launcher's are while it is started anew
// or has lost its session. In memory: whoever starts knows only those that he has seen.
import { sequenceOf } from "../../../lib/model/component.ts";
import { formatTime } from "../../../lib/std/format_time.ts";
import type { PoolEntry } from "../../../lib/zookeeper/view.ts";
import { poolKey } from "./served.ts";

/**
 * For this many seconds a pool that has gone is waited for. A launcher's restart takes seconds and a machine's a minute or
 * two, and a cloud may be slow to answer a launcher that starts; who waits in vain is to hear of it while he still looks.
 */
export const AWAY_SECONDS = 300;

/** For this many seconds it is known what a pool offered, so that a failure can tell who is missing. */
const REMEMBERED_SECONDS = 3600;

/** A pool that was registered. */
export interface AwayPool {
  readonly id: string;
  /** provider/pool. */
  readonly pool: string;
  readonly labels: readonly string[];
  readonly hostname: string | null;
  /** When (seconds) it was missed first. */
  readonly since: number;
}

/** When (seconds) a pool is not waited for any longer. */
export function endOfWait({ since }: AwayPool): number {
  return since + AWAY_SECONDS;
}

/** Why a pool does not serve, and how long it is waited for. */
export function whyAway(away: AwayPool, now: number): string {
  const why = `${away.pool}: its launcher has been away since ${formatTime(away.since)}`;
  return now < endOfWait(away) ? `${why}, and is waited for until ${formatTime(endOfWait(away))}` : why;
}

/** The pools that are away. */
export class AwayPools {
  #registered = new Map<string, PoolEntry>();
  readonly #away = new Map<string, AwayPool>();
  /** When it was looked last, in seconds. */
  #last = -Infinity;

  get isEmpty(): boolean {
    return this.#away.size === 0;
  }

  [Symbol.iterator](): Iterator<AwayPool> {
    return this.#away.values();
  }

  /**
   * Takes in which pools are registered at this time (seconds). `own`: the ids of those of this launcher, which
   * knows better what becomes of them.
   *
   * @returns whether one of them is not waited for any longer
   */
  note(registered: Iterable<PoolEntry>, own: ReadonlySet<string>, now: number): boolean {
    const before = this.#registered;
    this.#registered = new Map(Array.from(registered, (entry) => [entry.znode, entry]));
    for (const [znode, { record }] of before) {
      if (record?.id == null || this.#registered.has(znode) || own.has(record.id)) continue;
      const pool = poolKey(record.providerName, record.name);
      const { id, hostname, supportedLabels: labels } = record;
      this.#away.set(znode, { id, pool, labels, hostname, since: now });
    }
    for (const [znode, away] of this.#away) {
      const { since } = away;
      if (this.#isBack(znode, away) || now >= since + REMEMBERED_SECONDS) this.#away.delete(znode);
      // The clock was set back.
      else if (since > now) this.#away.set(znode, { ...away, since: now });
    }
    const last = this.#last;
    this.#last = now;
    return [...this.#away.values()].some((away) => last < endOfWait(away) && endOfWait(away) <= now);
  }

  /** Whether its launcher has registered the pool again, and so says itself what it offers. */
  #isBack(znode: string, { pool, hostname }: AwayPool): boolean {
    return [...this.#registered.values()].some(
      ({ record, znode: other }) =>
        record !== null &&
        record.hostname === hostname &&
        poolKey(record.providerName, record.name) === pool &&
        sequenceOf(other) > sequenceOf(znode),
    );
  }
}
