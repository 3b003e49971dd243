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

/** A reservation with what each of its launches takes. */
interface Counted extends Reservation {
  readonly launches: readonly Amounts[];
}

export class Reservations {
  readonly pools = new Tally();
  readonly providers = new Tally();
  readonly tenants = new Tally();
  /** Launches by provider, as `instances`. */
  readonly launches = new Tally();
  readonly #byKey = new Map<string, Counted>();

  /** Sets what a key (a request) has reserved; null for nothing. */
  set(key: string, reservation: Reservation | null): void {
    const before = this.#byKey.get(key);
    if (before !== undefined) this.#apply(before, -1);
    if (reservation === null || (reservation.labels.length === 0 && reservation.given.length === 0))
      this.#byKey.delete(key);
    else {
      const { pool, labels } = reservation;
      // Kept: a provider may tell meanwhile that a label takes more, and what goes has to be what came.
      const launches = labels.map((label) => amountsOf(pool.resourcesOf(label)));
      const counted = { ...reservation, launches };
      this.#byKey.set(key, counted);
      this.#apply(counted, 1);
    }
  }

  #apply({ pool, tenant, launches, given }: Counted, sign: 1 | -1): void {
    for (const amounts of given) if (tenant !== null) this.tenants.add(tenant, amounts, sign);
    for (const amounts of launches) {
      this.pools.add(nameOf(pool), amounts, sign);
      this.providers.add(pool.provider.name, amounts, sign);
      if (tenant !== null) this.tenants.add(tenant, amounts, sign);
      this.launches.add(pool.provider.name, { instances: 1 }, sign);
    }
  }
}
