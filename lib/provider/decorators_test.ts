import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Clock, systemClock } from "../std/clock.ts";
import { type LogFields, type Logger, silentLogger } from "../std/logger.ts";
import { NotFoundError, type Provider, ProviderError, ThrottledError } from "./contract.ts";
import { withDeadlines, withRetries, withTelemetry, withThrottling } from "./decorators.ts";

const never = new AbortController().signal;

/** A provider whose calls all end as `outcome` says. */
function providerOf(outcome: (method: string, signal: AbortSignal) => Promise<never[]>): Provider {
  return {
    name: "cloud",
    driver: "fake",
    describe: () => ({ summary: "fake", problem: null }),
    resourcesOf: () => ({}),
    stop: async () => {},
    start: async (signal) => void (await outcome("start", signal)),
    listInstances: (signal) => outcome("listInstances", signal),
    createInstance: async (_spec, _onExternalId, signal) => {
      await outcome("createInstance", signal);
      throw new Error("nothing was made");
    },
    deleteInstance: async (_id, signal) => void (await outcome("deleteInstance", signal)),
    consoleLog: async () => null,
    listImages: (signal) => outcome("listImages", signal),
    uploadImage: async (_spec, signal) => `${(await outcome("uploadImage", signal)).length}`,
    deleteImage: async (_id, signal) => void (await outcome("deleteImage", signal)),
    limits: async () => ({}),
  };
}

/** A clock whose sleeps end at once and whose timers run when they are told to. */
function clockForTests() {
  const timers: (() => void)[] = [];
  const sleeps: number[] = [];
  const clock: Clock = {
    now: () => 0,
    sleep: async (milliseconds, signal) => {
      signal?.throwIfAborted();
      sleeps.push(milliseconds);
    },
    after: (_milliseconds, callback) => {
      timers.push(callback);
      return () => {};
    },
  };
  return { clock, timers, sleeps };
}

const spec = {
  name: "img",
  path: "/img.tar",
  format: "tar",
  md5: null,
  sha256: null,
  metadata: {},
};

describe("retries", () => {
  test("repeat lists and deletions while the error may pass, with growing pauses", async () => {
    const { clock, sleeps } = clockForTests();
    let calls = 0;
    const provider = withRetries(
      providerOf(async () => {
        calls += 1;
        if (calls < 4) throw new ProviderError("busy");
        return [];
      }),
      clock,
    );
    assert.deepEqual(await provider.listInstances(never), []);
    assert.equal(calls, 4);
    assert.equal(sleeps.length, 3);
    assert.ok((sleeps[0] ?? 0) <= 200 && (sleeps[2] ?? 0) > 200, `${sleeps}`);
  });

  test("give up after four attempts with the last error", async () => {
    let calls = 0;
    const provider = withRetries(
      providerOf(async () => {
        calls += 1;
        throw new ProviderError(`failure ${calls}`);
      }),
      clockForTests().clock,
    );
    await assert.rejects(provider.deleteImage("x", never), /failure 4/);
  });

  test("never repeat what may have had an effect", async () => {
    let calls = 0;
    const provider = withRetries(
      providerOf(async () => {
        calls += 1;
        throw new ProviderError("busy");
      }),
      clockForTests().clock,
    );
    await assert.rejects(provider.uploadImage(spec, never), /busy/);
    assert.equal(calls, 1);
  });

  test("never repeat what cannot succeed later, or what was cancelled", async () => {
    for (const [error, signal] of [
      [new NotFoundError("gone"), never],
      [new ProviderError("busy"), AbortSignal.abort(new Error("cancelled"))],
    ] as const) {
      let calls = 0;
      const provider = withRetries(
        providerOf(async () => {
          calls += 1;
          throw error;
        }),
        clockForTests().clock,
      );
      await assert.rejects(provider.listImages(signal), error);
      assert.equal(calls, 1);
    }
  });
});

describe("throttling", () => {
  test("waits as long as the provider asks and makes the call again, whatever it is, and says so", async () => {
    let now = 0;
    const sleeps: number[] = [];
    const told: (string | null | undefined)[] = [];
    const sleep = async (milliseconds: number) => {
      sleeps.push(milliseconds);
      told.push(provider.progress?.("node"));
      now += milliseconds;
    };
    let calls = 0;
    const provider = withThrottling(
      providerOf(async () => {
        calls += 1;
        if (calls < 10) throw new ThrottledError("429", { retryAfterMs: calls === 1 ? 7000 : null });
        return [];
      }),
      { ...clockForTests().clock, now: () => now, sleep },
    );
    assert.equal(provider.progress?.("node"), null);
    assert.equal(await provider.uploadImage(spec, never), "0");
    assert.equal(calls, 10);
    assert.deepEqual(sleeps.slice(0, 3), [7000, 1000, 1000]);
    assert.match(told[0] ?? "", /refuses calls that come faster \(429\): the next is made in 7 s/);
    assert.equal(provider.heldUpMs?.(), now);
  });

  test("leaves other errors, and ends with the caller's patience", async () => {
    const broken = withThrottling(
      providerOf(() => Promise.reject(new ProviderError("503"))),
      systemClock,
    );
    await assert.rejects(broken.listInstances(never), /503/);
    const giveUp = new AbortController();
    const throttled = withThrottling(
      providerOf(() => Promise.reject(new ThrottledError("429"))),
      systemClock,
    );
    const call = throttled.listInstances(giveUp.signal);
    giveUp.abort(new Error("no more"));
    await assert.rejects(call, /no more|429/);
  });
});

describe("deadlines", () => {
  const deadlines = { createInstance: 1000, uploadImage: 2000, start: 3000, other: 4000 };
  const hang = (_method: string, signal: AbortSignal) =>
    new Promise<never[]>((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("socket closed")));
    });

  test("end a call that takes too long, and name it and its limit", async () => {
    const { clock, timers } = clockForTests();
    const uploading = withDeadlines(providerOf(hang), deadlines, clock).uploadImage(spec, never);
    timers[0]?.();
    await assert.rejects(uploading, (error) => {
      assert.ok(error instanceof ProviderError);
      assert.equal(error.message, "provider cloud: uploadImage took more than 2 s");
      return error.retryable;
    });
  });

  test("pass the caller's cancellation on", async () => {
    const abort = new AbortController();
    const listing = withDeadlines(providerOf(hang), deadlines, clockForTests().clock).listImages(
      abort.signal,
    );
    abort.abort(new Error("not wanted any more"));
    await assert.rejects(listing, ProviderError);
  });

  test("make a ProviderError of whatever a driver throws, and leave its own errors alone", async () => {
    const thrown = new NotFoundError("no such image");
    const { clock } = clockForTests();
    const strange = providerOf(async () => {
      throw new TypeError("x is undefined");
    });
    await assert.rejects(withDeadlines(strange, deadlines, clock).listImages(never), (error) => {
      assert.ok(error instanceof ProviderError);
      assert.equal(error.message, "provider cloud: listImages: x is undefined");
      return error.cause instanceof TypeError;
    });
    const proper = providerOf(async () => {
      throw thrown;
    });
    await assert.rejects(withDeadlines(proper, deadlines, clock).listImages(never), thrown);
  });
});

describe("telemetry", () => {
  test("logs each call with its subject and outcome, failures as warnings", async () => {
    const lines: [string, string, LogFields][] = [];
    const logger: Logger = {
      ...silentLogger,
      debug: (message, fields = {}) => lines.push(["debug", message, fields]),
      warn: (message, fields = {}) => lines.push(["warn", message, fields]),
    };
    const provider = withTelemetry(
      providerOf(async (method) => {
        if (method === "deleteInstance") throw new ProviderError("busy");
        return [];
      }),
      logger,
      clockForTests().clock,
    );
    await provider.uploadImage(spec, never);
    await assert.rejects(provider.deleteInstance("i-1", never), /busy/);
    const common = { provider: "cloud", seconds: 0 };
    assert.deepEqual(lines, [
      ["debug", "provider call", { ...common, method: "uploadImage", image: "img" }],
      [
        "warn",
        "provider call failed",
        { ...common, method: "deleteInstance", instance: "i-1", error: "busy" },
      ],
    ]);
  });
});
