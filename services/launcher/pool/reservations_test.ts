import assert from "node:assert/strict";
import { test } from "node:test";
import { NOTHING } from "./quota.ts";
import { Reservations } from "./reservations.ts";
import { nameOf, type ServedPool } from "./served.ts";

test("what a claim has reserved goes whole, although its label takes more by then", () => {
  let cores = 1;
  const pool = {
    id: "pool",
    provider: { name: "cloud" },
    pool: { name: "main" },
    resourcesOf: () => ({ instances: 1, cores }),
  } as unknown as ServedPool;
  const reservations = new Reservations();
  reservations.set("request", { pool, tenant: "acme", labels: ["small"], given: [] });
  cores = 8;
  reservations.set("request", null);
  assert.deepEqual(reservations.pools.of(nameOf(pool)), NOTHING);
  assert.deepEqual(reservations.providers.of("cloud"), NOTHING);
  assert.deepEqual(reservations.tenants.of("acme"), NOTHING);
});
