import assert from "node:assert/strict";
import { it } from "node:test";
import { pool } from "../../../test/harness/world.ts";
import { unservedPools } from "./unserved.ts";

const away = { name: "far", problem: "no route", retryable: true };
const expected = (more: Parameters<typeof pool>[2], provider = away) =>
  unservedPools({ providers: [pool("far/main", ["small"], more).provider] }, [provider]).map(
    (one) => one.isExpected,
  );

it("the pools of a provider that is tried again are expected, unless they are closed: requests wait for them also while max-concurrency is 0", () => {
  assert.deepEqual(expected({}), [true]);
  assert.deepEqual(expected({}, { ...away, retryable: false }), [false]);
  assert.deepEqual(expected({ maxServers: 0 }), [false]);
  assert.deepEqual(expected({ provider: { maxConcurrency: 0 } }), [true]);
});

it("pools of providers that are there are not told of", () => {
  assert.deepEqual(expected({}, { ...away, name: "near" }), []);
});
