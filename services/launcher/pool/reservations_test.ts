import assert from "node:assert/strict";
import { test } from "node:test";
import { NOTHING } from "./quota.ts";
import { Reservations } from "./reservations.ts";
import { nameOf, type ServedPool } from "./served.ts";

let cores = 1;
const pool = {
  id: "pool",
  provider: { name: "cloud" },
  pool: { name: "main" },
  resourcesOf: () => ({ instances: 1, cores }),
} as unknown as ServedPool;

test("a claim takes room for its launches, and of its tenant's share also for what it is given", () => {
  const reservations = new Reservations();
  const taken = () => [
    reservations.pools.of(nameOf(pool)),
    reservations.providers.of("cloud"),
    reservations.launches.of("cloud"),
    reservations.tenants.of("acme"),
  ];
  reservations.set("one", {
    pool,
    tenant: "acme",
    labels: ["small", "small"],
    given: [{ instances: 1, ram: 5 }],
  });
  reservations.set("two", { pool, tenant: null, labels: ["small"], given: [] });
  const [two, three] = [
    { instances: 2, cores: 2 },
    { instances: 3, cores: 3 },
  ];
  assert.deepEqual(taken(), [three, three, { instances: 3 }, { instances: 3, cores: 2, ram: 5 }]);
  reservations.set("one", { pool, tenant: "acme", labels: ["small"], given: [] });
  assert.deepEqual(taken(), [two, two, { instances: 2 }, { instances: 1, cores: 1 }]);
  for (const key of ["one", "two", "unknown"]) reservations.set(key, null);
  assert.deepEqual(taken(), [NOTHING, NOTHING, NOTHING, NOTHING]);
});

test("what a claim has reserved goes whole, although its label takes more by then", () => {
  const reservations = new Reservations();
  reservations.set("request", { pool, tenant: "acme", labels: ["small"], given: [] });
  cores = 8;
  reservations.set("request", null);
  assert.deepEqual(reservations.pools.of(nameOf(pool)), NOTHING);
  assert.deepEqual(reservations.providers.of("cloud"), NOTHING);
  assert.deepEqual(reservations.tenants.of("acme"), NOTHING);
});
