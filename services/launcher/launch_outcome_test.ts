// The launcher on a real ZooKeeper with providers in memory: launches that end when their request has gone elsewhere.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { requestPath } from "../../lib/model/paths.ts";
import { ProviderError } from "../../lib/provider/contract.ts";
import { type Clock, elapsed, systemClock } from "../../lib/std/clock.ts";
import { type Logger, silentLogger } from "../../lib/std/logger.ts";
import { manualClock } from "../../lib/zookeeper/contract/manual_clock.ts";
import { FakeProvider } from "../../test/harness/fake_provider.ts";
import { type TestLauncher, until } from "../../test/harness/launcher.ts";
import {
  askAsZuul,
  type LauncherCase,
  simple,
  statesOf,
  untilStates,
} from "../../test/harness/launcher_case.ts";
import { launcherCases } from "../../test/harness/suites.ts";
import { QUOTA_PAUSE_SECONDS } from "./pool/fit.ts";

/** A clock that is ahead at once by each short time that somebody waits; by how much in all. */
function leapingClock() {
  let ahead = 0;
  const clock: Clock = {
    ...systemClock,
    now: () => systemClock.now() + ahead,
    elapsed: () => elapsed(systemClock) + ahead,
    sleep: async (milliseconds, signal) => {
      if (milliseconds < 10_000) ahead += milliseconds;
      else await systemClock.sleep(milliseconds, signal);
    },
  };
  return { clock, waited: () => ahead };
}

const stateOf = (launcher: TestLauncher, request: string) => launcher.view.request(request)?.record?.state;

describe("launcher: what becomes of launches", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  it("serves a request in the next pool, although a second launch of the pool that declined it fails then", async () => {
    one = await cases.begin("alpha", "beta");
    const [alpha, beta] = [new FakeProvider("alpha"), new FakeProvider("beta")];
    const later = Promise.withResolvers<void>();
    const soon = Promise.withResolvers<void>();
    let creates = 0;
    alpha.createInstance = async () => {
      creates += 1;
      if (creates > 1) await later.promise;
      throw new ProviderError("alpha is broken");
    };
    beta.weather.gate = soon.promise;
    const offers = { name: "main", offers: ["small"] };
    const config = { launchRetries: 1 };
    const launcher = await one.launcher({
      labels: { small: {} },
      providers: [
        { driver: alpha, pools: [{ ...offers, priority: 1 }], config },
        { driver: beta, pools: [{ ...offers, priority: 2 }], config },
      ],
    });
    const request = await askAsZuul(launcher, { nodeTypes: ["small", "small"] });
    const of = (provider: string, state: string) =>
      [...launcher.view.nodes()].filter(
        ({ record }) => record?.provider === provider && record.state === state,
      );
    await until("both launch at the next pool", () => of("beta", "building").length === 2);
    later.resolve();
    await until("the launch has failed, too", () => of("alpha", "building").length === 0);
    soon.resolve();
    await until("an answer", () => ["fulfilled", "failed"].includes(stateOf(launcher, request) ?? ""));
    assert.equal(stateOf(launcher, request), "fulfilled");
    assert.equal(of("beta", "ready").length, 2);
  });

  it("asks each pool once for a request that none of them can serve, and fails then", async () => {
    const names = ["alpha", "beta", "gamma"];
    one = await cases.begin(...names);
    const clouds = names.map((name) => new FakeProvider(name));
    for (const cloud of clouds) cloud.weather.failCreates = Infinity;
    const launcher = await one.launcher({
      labels: { small: {} },
      providers: clouds.map((driver, index) => ({
        driver,
        pools: [{ name: "main", offers: ["small"], priority: index + 1 }],
        config: { launchRetries: 1 },
      })),
    });
    const request = await askAsZuul(launcher, { nodeTypes: ["small"] });
    await until("it has failed", () => stateOf(launcher, request) === "failed");
    const creates = clouds.map(({ calls }) => calls.filter((call) => call.startsWith("create")).length);
    assert.deepEqual(creates, [1, 1, 1]);
  });

  it("leaves what a request that has failed had got already to the next one", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const failing = Promise.withResolvers<void>();
    const create = cloud.createInstance.bind(cloud);
    cloud.createInstance = async (spec, note, signal) => {
      if (spec.label === "small") return await create(spec, note, signal);
      await failing.promise;
      throw new ProviderError("no large ones today");
    };
    const launcher = await one.launcher(simple(cloud, { launchRetries: 1 }));
    const both = await askAsZuul(launcher, { nodeTypes: ["small", "large"], tenantName: "acme" });
    await untilStates(launcher, "ready", "building");
    failing.resolve();
    await until("it has failed", () => stateOf(launcher, both) === "failed");
    await untilStates(launcher, "ready");
    const [left] = launcher.view.nodes();
    assert.deepEqual([left?.record?.allocatedTo, left?.record?.tenantName], [null, null]);
    const next = await askAsZuul(launcher, { nodeTypes: ["small"] });
    await until("the next one is served", () => stateOf(launcher, next) === "fulfilled");
    assert.deepEqual(launcher.view.request(next)?.record?.nodes, [left?.id]);
  });

  it("serves a request by the same instance when its launch ends while the session is being lost", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const cut = Promise.withResolvers<void>();
    let scans = 0;
    const results: unknown[] = [];
    const logger: Logger = {
      ...silentLogger,
      child: () => logger,
      info: (message, fields = {}) => message === "launch ended" && results.push(fields.result),
    };
    const launcher = await one.launcher(simple(cloud), {
      logger,
      scanHostKeys: async () => {
        scans += 1;
        await cut.promise;
        return ["ssh-ed25519 AAAA"];
      },
    });
    const request = await askAsZuul(launcher, { nodeTypes: ["small"] });
    await until("the scan", () => scans === 1);
    // The connection is gone then, and nobody knows yet whether the session is, too.
    launcher.session.onState((state) => {
      if (state !== "connected") cut.resolve();
    });
    await cases.server.expire(launcher.session as never);
    await until("the request has its node", () => stateOf(launcher, request) === "fulfilled");
    assert.deepEqual(results, ["ready", "ready"]);
    assert.deepEqual(statesOf(launcher), ["ready"]);
    assert.equal(cloud.cloud.made.length, 1);
  });

  it("does not count a node against the tenant whose request was withdrawn while it was launched", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const gate = Promise.withResolvers<void>();
    cloud.weather.gate = gate.promise;
    const launcher = await one.launcher({ ...simple(cloud), tenants: { acme: { instances: 1 } } });
    const acme = { nodeTypes: ["small"], tenantName: "acme" };
    const first = await askAsZuul(launcher, acme);
    await until("its launch", () => statesOf(launcher).join() === "building");
    await launcher.session.delete(requestPath(first), -1);
    gate.resolve();
    await untilStates(launcher, "ready");
    assert.equal([...launcher.view.nodes()][0]?.record?.tenantName, null);
    const second = await askAsZuul(launcher, acme);
    await until("the next request has that node", () => stateOf(launcher, second) === "fulfilled");
    assert.deepEqual(statesOf(launcher), ["ready"]);
  });

  it("leaves a provider in peace for a while that has refused a launch for want of quota", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    cloud.weather.quota = 0;
    const { clock, advance } = manualClock();
    const launcher = await one.launcher(simple(cloud), { clock });
    const creates = () => cloud.calls.filter((call) => call.startsWith("create")).length;
    const request = await askAsZuul(launcher, { nodeTypes: ["small"] });
    await until("a refused launch", () => creates() > 0);
    await untilStates(launcher);
    advance(QUOTA_PAUSE_SECONDS * 1000 - 1);
    await sleep(500);
    assert.equal(creates(), 1, "the node that was refused has gone, and that has made no room");
    cloud.weather.quota = 1;
    advance(1);
    await until("the request has its node", () => stateOf(launcher, request) === "fulfilled");
  });

  it("tries again after half a second, and after half a second more each time", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const { clock, waited } = leapingClock();
    const created: number[] = [];
    const create = cloud.createInstance.bind(cloud);
    cloud.createInstance = async (...given) => {
      created.push(waited());
      return await create(...given);
    };
    cloud.weather.failCreates = 3;
    await one.launcher(simple(cloud, { minReady: 1, launchRetries: 4 }), { clock });
    await until("it runs", () => cloud.instances.size === 1);
    assert.deepEqual(created, [0, 500, 500 + 1000, 500 + 1000 + 1500]);
  });

  it("fails with its attempts while the cloud takes no call at all, and does not begin again and again", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    Object.assign(cloud.weather, { failCreates: Infinity, failLists: Infinity });
    const errors: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      child: () => logger,
      error: (message, fields) => void errors.push(`${message} ${JSON.stringify(fields)}`),
    };
    const launcher = await one.launcher(simple(cloud), { logger });
    const request = await askAsZuul(launcher, { nodeTypes: ["small"] });
    await until("an answer", () => stateOf(launcher, request) === "failed");
    assert.deepEqual(errors, []);
    Object.assign(cloud.weather, { failCreates: 0, failLists: 0 });
    await until("nothing is left", () => statesOf(launcher).length === 0);
  });
});
