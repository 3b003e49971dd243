// A pool of hosts in a world in which anything may change at any time.
import type { HeldLock } from "../../lib/zookeeper/types.ts";
import type { NodeEntry } from "../../lib/zookeeper/view.ts";
import { keys } from "../../services/launcher/actions.ts";
import type { ServedPool } from "../../services/launcher/pool/served.ts";
import type { HandState } from "../../services/launcher/state.ts";
import type { Random } from "../simulation/random.ts";
import { FOUND, host, hostPool, OTHER_KEY, slotNode } from "./host_world.ts";

const LOCK = { signal: new AbortController().signal } as HeldLock;

export class RandomHosts {
  /** The pool `lab/main`. */
  readonly pool: ServedPool;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
    const labels = random.pick([["small"], ["box"], ["box", "small"]]);
    const hosts = ["h1", "h2"].map((name) => host({ name, labels, slots: 1 + random.below(2) }));
    this.pool = hostPool("lab/main", hosts);
  }

  #some() {
    return this.#random.pick(this.pool.hosts ?? []);
  }

  /** The record of a slot, which may be beyond those of its host, or of a host that is not in the pool. */
  node(id: string, more: Parameters<typeof slotNode>[3]): NodeEntry {
    const random = this.#random;
    const one = this.#some();
    const name = random.chance(0.1) ? "gone" : one.name;
    const place = { hostname: name, interfaceIp: name, externalId: name, type: [...one.labels] };
    return slotNode(
      id,
      random.pick(["ready", "ready", "in-use", "testing", "used", "deleting"]),
      random.below(3),
      {
        ...more,
        ...place,
      },
    );
  }

  /** A check begins, ends, or does both at once. */
  check(hand: HandState, now: number): void {
    const random = this.#random;
    const one = this.#some();
    const key = `lab/${one.identity}`;
    const work = [keys.host(key)];
    const { last = null, failures = 0, checkingSince = null } = hand.hosts.get(key) ?? {};
    if (checkingSince === null) {
      if (hand.isBusy(keys.host(key))) return;
      hand.begin(work);
      hand.hosts.set(key, { host: one, checkingSince: now, last, failures });
      if (random.chance(0.4)) return;
    }
    const time = { from: checkingSince ?? now, at: now };
    const found = random.pick([FOUND, FOUND, { ...FOUND, hostKeys: [OTHER_KEY] }, null]);
    const report =
      found === null
        ? { last: { ...time, found, problem: "it is down" }, failures: failures + 1 }
        : { last: { ...time, found, problem: null }, failures: 0 };
    hand.hosts.set(key, { host: one, checkingSince: null, ...report });
    hand.succeed(work);
  }

  /** This launcher begins or ends to keep the hosts. */
  keep(hand: HandState): void {
    if (!hand.keeping.delete("lab")) hand.keeping.set("lab", LOCK);
  }
}
