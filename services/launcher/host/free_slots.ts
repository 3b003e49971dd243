// The free slots of a pool of hosts, and how their hosts stand to handing a node over. Pure.
import type { World } from "../actions.ts";
import type { Census, ReadableNode } from "../pool/census.ts";
import type { ServedPool } from "../pool/served.ts";
import { judge } from "./judge.ts";
import { matchAll } from "./match.ts";
import { hostKey, type Slot } from "./slots.ts";

/**
 * A check is good for handing a node over for so many seconds, or twice the time that it took: else several slow hosts
 * would never be so at the same time.
 */
export const FRESH_SECONDS = 2;

/** Once a check has taken so many seconds, other hosts are looked at for the request. */
export const SLOW_SECONDS = 1;

/** How a host stands to handing a node over. */
export type Standing = "fresh" | "stale" | "checking" | "slow" | "bad";

/** How the host of a slot stands. */
export function standingOf(world: World, slot: Slot): Standing {
  const { hand, index, now } = world;
  const status = hand.hosts.get(hostKey(slot));
  const nodes = index.hosts.slotsOf(slot).flatMap(({ node }) => node ?? []);
  const judgement = judge(slot.host, nodes, status, now);
  if (judgement.kind === "good") {
    const lasts = Math.max(FRESH_SECONDS, 2 * (judgement.at - judgement.from));
    if (now - judgement.at <= lasts) return "fresh";
  }
  const since = status?.checkingSince ?? null;
  if (since !== null) return now - since >= SLOW_SECONDS ? "slow" : "checking";
  return judgement.kind === "bad" ? "bad" : "stale";
}

/** Whether a node of such a host is handed over at once or after a check. */
export const isHopeful = (standing: Standing) => standing !== "bad" && standing !== "slow";

/** The free slots of a pool; how each host stands is found out once. */
export class FreeSlots {
  readonly #world: World;
  readonly #census: Census;
  readonly #pool: ServedPool;
  readonly #standings = new Map<string, Standing>();

  constructor(world: World, census: Census, pool: ServedPool) {
    this.#world = world;
    this.#census = census;
    this.#pool = pool;
  }

  /** A node for each label whose host stands so, each node once; null where there is none. */
  pick(labels: readonly string[], accept: (standing: Standing) => boolean): (ReadableNode | null)[] {
    return matchAll(labels, (label) => this.#choices(label, accept));
  }

  *#choices(label: string, accept: (standing: Standing) => boolean): Iterable<ReadableNode> {
    for (const node of this.#census.freeOf(this.#pool, label)) {
      const slot = this.#world.index.hosts.slotOf(node.id);
      if (slot !== undefined && accept(this.#standing(slot))) yield node;
    }
  }

  #standing(slot: Slot): Standing {
    const key = hostKey(slot);
    const known = this.#standings.get(key) ?? standingOf(this.#world, slot);
    this.#standings.set(key, known);
    return known;
  }

  /**
   * What is kept for a request that waits for the rest: the free nodes that it would get. Nothing where it waits for a
   * host that is out of service: nobody knows for how long.
   */
  keptFor(labels: readonly string[]): ReadableNode[] {
    if (matchAll(labels, (label) => this.#inService(label)).includes(null)) return [];
    return this.pick(labels, isHopeful).flatMap((node) => node ?? []);
  }

  *#inService(label: string): Iterable<Slot> {
    for (const slot of this.#slotsOf(label)) {
      const isOut = slot.node === null || slot.node.record.state === "testing";
      if (!isOut && isHopeful(this.#standing(slot))) yield slot;
    }
  }

  /** All slots of a label, whoever has them. */
  *#slotsOf(label: string): Iterable<Slot> {
    for (const host of this.#pool.hosts ?? []) {
      if (host.labels.includes(label)) yield* this.#world.index.hosts.slotsOf({ pool: this.#pool, host });
    }
  }

  /** One slot of each host of these nodes that has not just passed a check. */
  notFresh(nodes: readonly (ReadableNode | null)[]): Slot[] {
    const slots = nodes.flatMap((node) => this.#world.index.hosts.slotOf(node?.id ?? "") ?? []);
    const waiting = slots.filter((slot) => this.#standing(slot) !== "fresh");
    return [...new Map(waiting.map((slot) => [hostKey(slot), slot])).values()];
  }

  /** How the slots of a label are taken, in words. */
  whyNone(label: string): string {
    const kept = "kept for a request that has waited long";
    const counts = {
      busy: 0,
      [kept]: 0,
      "out of service": 0,
      "not answering": 0,
      "not recorded yet": 0,
      free: 0,
    };
    const open = new Set(Array.from(this.#census.freeOf(this.#pool, label), ({ id }) => id));
    for (const slot of this.#slotsOf(label)) {
      if (slot.node === null) counts["not recorded yet"] += 1;
      else if (slot.node.record.state === "testing") counts["out of service"] += 1;
      else if (this.#census.isKept(slot.node.id)) counts[kept] += 1;
      else if (!open.has(slot.node.id)) counts.busy += 1;
      else if (isHopeful(this.#standing(slot))) counts.free += 1;
      else counts["not answering"] += 1;
    }
    const told = Object.entries(counts).filter(([, count]) => count > 0);
    const words = told.map(([what, count]) => `${count} ${what}`).join(", ");
    return `too few free slots for label '${label}': ${words}`;
  }
}
