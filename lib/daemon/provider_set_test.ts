import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Config } from "../config/types.ts";
import { type Provider, ProviderError } from "../provider/contract.ts";
import { systemClock } from "../std/clock.ts";
import { silentLogger } from "../std/logger.ts";
import { ProviderSet } from "./provider_set.ts";

test("a provider goes on with settings that it takes, and with the old ones when the change is not taken", async () => {
  const taken: number[] = [];
  const [started, stopped]: [string[], string[]] = [[], []];
  const set = new ProviderSet({
    logger: silentLogger,
    clock: systemClock,
    signal: new AbortController().signal,
    patienceMs: 0,
    open: async ({ name, maxConcurrency }) => {
      const id = `${name}/${maxConcurrency}`;
      const provider: Partial<Provider> = {
        name,
        start: async () => void started.push(id),
        stop: async () => void stopped.push(id),
        describe: () => ({ summary: id, problem: null }),
        changeTo: (next) => {
          if (next.launchTimeout !== 1) return false;
          taken.push(next.maxConcurrency);
          return true;
        },
      };
      return provider as Provider;
    },
  });
  const of = (maxConcurrency: number, launchTimeout = 1) =>
    ({ providers: [{ name: "a", driver: "test", maxConcurrency, launchTimeout }] }) as unknown as Config;
  (await set.prepare(of(1))).take(Promise.resolve());
  const [running] = set.providers;
  (await set.prepare(of(2))).take(Promise.resolve());
  await (await set.prepare(of(3))).drop();
  assert.deepEqual(taken, [2, 3, 2]);
  assert.equal(set.providers[0], running);
  assert.deepEqual([started, stopped], [["a/1"], []]);
  (await set.prepare(of(4, 9))).take(Promise.resolve());
  await nextTurn();
  assert.deepEqual([started, stopped], [["a/1", "a/4"], ["a/1"]]);
});

const configured = (...names: string[]) =>
  ({ providers: names.map((name) => ({ name, driver: "test" })) }) as unknown as Config;

test("a set is whole while all are served and none has a problem, and tells when one comes and goes", async () => {
  const problems = new Map<string, string>();
  let tell = () => {};
  const set = new ProviderSet({
    logger: silentLogger,
    clock: systemClock,
    signal: new AbortController().signal,
    patienceMs: 0,
    open: async ({ name }, { onProblem }) => {
      tell = () => onProblem?.();
      const provider: Partial<Provider> = {
        name,
        start: async () => {
          if (name === "broken") throw new ProviderError("it is down", { retryable: false });
        },
        stop: async () => {},
        describe: () => ({ summary: name, problem: problems.get(name) ?? null }),
      };
      return provider as Provider;
    },
  });
  const heard: boolean[] = [];
  set.follow(() => heard.push(set.isWhole));
  (await set.prepare(configured("one", "broken"))).take(Promise.resolve());
  assert.equal(set.isWhole, false);
  (await set.prepare(configured("two"))).take(Promise.resolve());
  assert.equal(set.isWhole, true);
  problems.set("two", "label 'small': no flavor");
  tell();
  problems.clear();
  tell();
  assert.deepEqual(heard, [false, true]);
  await set.close();
});
