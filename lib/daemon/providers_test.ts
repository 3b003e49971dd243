import assert from "node:assert/strict";
import { test } from "node:test";
import type { Config, ProviderConfig } from "../config/types.ts";
import { type Provider, ProviderError } from "../provider/contract.ts";
import type { Clock } from "../std/clock.ts";
import { silentLogger } from "../std/logger.ts";
import { openProviders } from "./providers.ts";

/** A configuration that only names its providers. */
function configured(...names: string[]): Config {
  const providers = names.map((name) => ({ name, driver: "test" }) as ProviderConfig);
  return { providers } as unknown as Config;
}

function fake(name: string, start: () => Promise<void>, stopped: string[] = []): Provider {
  const provider: Partial<Provider> = {
    name,
    start,
    stop: async () => void stopped.push(name),
    describe: () => ({ summary: "", problem: null }),
  };
  return provider as Provider;
}

function instantClock(): Clock {
  let now = 0;
  return {
    now: () => now,
    sleep: async (milliseconds) => {
      now += milliseconds;
    },
    after: () => () => {},
  };
}

const always = { logger: silentLogger, signal: new AbortController().signal };

test("a provider that cannot be opened is named with the reason, and the others are served", async () => {
  const { providers, unserved } = await openProviders(configured("good", "bad"), {
    ...always,
    clock: instantClock(),
    open: async ({ name }) => {
      if (name === "bad") throw new ProviderError("there is no driver 'test'", { retryable: false });
      return fake(name, async () => {});
    },
  });
  assert.deepEqual(
    providers.map(({ name }) => name),
    ["good"],
  );
  assert.deepEqual(unserved, [
    { name: "bad", driver: "test", problem: "there is no driver 'test'", retryable: false },
  ]);
});

test("a provider that comes up a little later is served", async () => {
  let attempts = 0;
  const stopped: string[] = [];
  const { providers } = await openProviders(configured("slow"), {
    ...always,
    clock: instantClock(),
    open: async ({ name }) =>
      fake(
        name,
        async () => {
          attempts += 1;
          if (attempts < 3) throw new ProviderError("no engine yet");
        },
        stopped,
      ),
  });
  assert.equal(providers.length, 1);
  assert.deepEqual(stopped, ["slow", "slow"]);
});

test("patience has an end", async () => {
  const clock = instantClock();
  const { unserved } = await openProviders(configured("dead"), {
    ...always,
    clock,
    open: async ({ name }) =>
      fake(name, async () => {
        throw new ProviderError("no engine");
      }),
  });
  assert.equal(unserved[0]?.problem, "no engine");
  assert.ok(clock.now() <= 10_000);
});

test("providers that have started are stopped when another is still tried and the start is called off", async () => {
  const stopped: string[] = [];
  const calledOff = new AbortController();
  const opening = openProviders(configured("good", "slow"), {
    ...always,
    signal: calledOff.signal,
    clock: instantClock(),
    open: async ({ name }) =>
      fake(
        name,
        async () => {
          if (name === "good") return;
          calledOff.abort(new Error("SIGINT"));
          throw new ProviderError("no engine yet");
        },
        stopped,
      ),
  });
  await assert.rejects(opening, /SIGINT/);
  assert.deepEqual(stopped.sort(), ["good", "slow"]);
});
