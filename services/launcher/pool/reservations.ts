// Room that claims under way have taken: the tree does not show yet what they record and give away.
import { type Amounts, amountsOf } from "./quota.ts";
import { nameOf, type ServedPool } from "./served.ts";
import { Tally } from "./tally.ts";

interface Reservation {
  readonly pool: ServedPool;
  readonly tenant: string | null;
  /** The labels of nodes to launch. */
  readonly labels: readonly string[];
  /** What ready nodes take that are given away: only the tenant uses more then. */
  readonly given: readonly Amounts[];
}

export class Reservations {
  readonly pools = new Tally();
  readonly providers = new Tally();
  readonly tenants = new Tally();
  /** Launches by provider, as `instances`. */
  readonly launches = new Tally();
  readonly #byKey = new Map<string, Reservation>();

  /** Sets what a key (a request) has reserved; null for nothing. */
  set(key: string, reservation: Reservation | null): void {
    const before = this.#byKey.get(key);
    if (before !== undefined) this.#apply(before, -1);
    if (reservation === null || (reservation.labels.length === 0 && reservation.given.length === 0))
      this.#byKey.delete(key);
    else {
      this.#byKey.set(key, reservation);
      this.#apply(reservation, 1);
    }
  }

  #apply({ pool, tenant, labels, given }: Reservation, sign: 1 | -1): void {
    for (const amounts of given) if (tenant !== null) this.tenants.add(tenant, amounts, sign);
    for (const label of labels) {
      const amounts = amountsOf(pool.resourcesOf(label));
      this.pools.add(nameOf(pool), amounts, sign);
      this.providers.add(pool.provider.name, amounts, sign);
      if (tenant !== null) this.tenants.add(tenant, amounts, sign);
      this.launches.add(pool.provider.name, { instances: 1 }, sign);
    }
  }
}
