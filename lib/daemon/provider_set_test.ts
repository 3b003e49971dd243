import assert from "node:assert/strict";
import { test } from "node:test";
import type { Config } from "../config/types.ts";
import { type Provider, ProviderError } from "../provider/contract.ts";
import { systemClock } from "../std/clock.ts";
import { silentLogger } from "../std/logger.ts";
import { ProviderSet } from "./provider_set.ts";

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
