// What launches are allowed: limits of pools, tenants and providers, and what becomes of requests beyond them.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PoolConfig } from "../../lib/config/types.ts";
import { encodeRequest, newRequest } from "../../lib/model/request.ts";
import { FakeCloud } from "../../lib/provider/fake/cloud.ts";
import { FakeProvider } from "../harness/fake_provider.ts";
import { type Setting, type TestLauncher, until } from "../harness/launcher.ts";
import {
  ask,
  fulfilled,
  idOf,
  type LauncherCase,
  look,
  release,
  untilStates,
} from "../harness/launcher_case.ts";
import { launcherCases } from "../harness/suites.ts";

/** What each node takes, so that a limit of twice that has room for two. */
const EACH = { instances: 1, cores: 4, ram: 8192, volumes: 1, "volume-gb": 80 };
const RESOURCES = Object.keys(EACH) as (keyof typeof EACH)[];

/** The pool's keys that allow two nodes by this resource. */
const POOL_LIMITS: Readonly<Record<keyof typeof EACH, Partial<PoolConfig>>> = {
  instances: { maxServers: 2 },
  cores: { maxCores: 8 },
  ram: { maxRam: 16_384 },
  volumes: { settings: { "max-volumes": 2 } },
  "volume-gb": { settings: { "max-volume-gb": 160 } },
};

async function waits(launcher: TestLauncher, name: string, why: RegExp): Promise<void> {
  await until(`${name} waits for ${why}`, async () => {
    const { request } = await look(launcher, name);
    return request.state === "STATE_REQUESTED" && why.test(request.reason);
  });
}

async function failed(launcher: TestLauncher, name: string): Promise<string> {
  return await until(`${name} failed`, async () => {
    const { request } = await look(launcher, name);
    return request.state === "STATE_FAILED" && request.reason;
  });
}

describe("limits", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  const begin = async (
    pool: Partial<PoolConfig>,
    more: Pick<Setting, "tenants"> & { limits?: Record<string, number>; labels?: Setting["labels"] } = {},
  ) => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud", new FakeCloud(), EACH);
    cloud.weather.limits = more.limits ?? {};
    const launcher = await one.launcher({
      labels: more.labels ?? { small: {}, large: {} },
      providers: [{ driver: cloud, pools: [{ name: "main", offers: ["small", "large"], ...pool }] }],
      ...(more.tenants === undefined ? {} : { tenants: more.tenants }),
    });
    return { cloud, launcher };
  };

  /** Two fit, so a second request for two waits until the first is released. */
  const second = async (launcher: TestLauncher, cloud: FakeProvider, why: RegExp, tenant = "") => {
    const first = await ask(launcher, ["small", "small"], { tenant });
    await fulfilled(launcher, first);
    const next = await ask(launcher, ["small", "small"], { tenant });
    await waits(launcher, next, why);
    assert.equal(cloud.instances.size, 2);
    await release(launcher, first);
    assert.equal((await fulfilled(launcher, next)).length, 2);
    assert.equal(cloud.cloud.made.length, 4);
  };

  for (const resource of RESOURCES) {
    it(`of a pool hold by ${resource}`, async () => {
      const { cloud, launcher } = await begin(POOL_LIMITS[resource]);
      await second(launcher, cloud, /^cloud\/main: max-\S+ is \d+( MiB)?, in use \d+( MiB)?, needed \d+/);
    });

    it(`of a provider hold by ${resource}`, async () => {
      const { cloud, launcher } = await begin({}, { limits: { [resource]: 2 * EACH[resource] } });
      await second(launcher, cloud, new RegExp(`the provider's quota of ${resource} is`));
    });

    it(`of a tenant hold by ${resource}, and only for that tenant`, async () => {
      const tenants = { limited: { [resource]: 2 * EACH[resource] } };
      const { cloud, launcher } = await begin({}, { tenants });
      const first = await ask(launcher, ["small", "small"], { tenant: "limited" });
      await fulfilled(launcher, first);
      const next = await ask(launcher, ["small"], { tenant: "limited" });
      await waits(launcher, next, new RegExp(`limit of ${resource} of tenant 'limited'`));
      await fulfilled(launcher, await ask(launcher, ["small"], { tenant: "other" }));
      await fulfilled(launcher, await ask(launcher, ["small"]));
      assert.equal(cloud.instances.size, 4);
      await release(launcher, first);
      await fulfilled(launcher, next);
    });
  }

  it("of a tenant hold also where many ask for ready nodes at once", async () => {
    const tenants = { limited: { instances: 1 } };
    const { launcher } = await begin({}, { tenants, labels: { small: { minReady: 4 }, large: {} } });
    await untilStates(launcher, "ready", "ready", "ready", "ready");
    const wishes = Array.from({ length: 4 }, () => ask(launcher, ["small"], { tenant: "limited" }));
    const names = await Promise.all(wishes);
    await until("all have got their node or a reason", async () => {
      const found = await Promise.all(names.map((name) => look(launcher, name)));
      return found.every(({ request: { state, reason } }) => state === "STATE_FULFILLED" || reason !== "");
    });
    await untilStates(launcher, "in-use", "ready", "ready", "ready", "ready");
  });

  it("of a tenant hold also where ready nodes are there", async () => {
    const tenants = { limited: { instances: 1 } };
    const { launcher } = await begin({}, { tenants, labels: { small: { minReady: 2 }, large: {} } });
    await untilStates(launcher, "ready", "ready");
    const first = await ask(launcher, ["small"], { tenant: "limited" });
    await fulfilled(launcher, first);
    const next = await ask(launcher, ["small"], { tenant: "limited" });
    await waits(launcher, next, /tenant 'limited' is 1, in use 1, needed 1/);
    await untilStates(launcher, "in-use", "ready", "ready");
    await release(launcher, first);
    await fulfilled(launcher, next);
  });

  it("of a provider hold also beside an instance whose node's document cannot be read", async () => {
    const { cloud, launcher } = await begin({}, { limits: { instances: 1 } });
    const [node] = await fulfilled(launcher, await ask(launcher, ["small"]));
    await launcher.stop();
    const session = await one.session();
    await session.set(`/nodepool/nodes/${idOf(node?.name)}`, new TextEncoder().encode('{"state": '), -1);
    const next = await one.launcher({
      labels: { small: {} },
      providers: [{ driver: cloud, pools: [{ name: "main", offers: ["small"] }] }],
    });
    const reason = await failed(next, await ask(next, ["small"]));
    assert.match(reason, /quota of instances is 1, in use 1 \(1 of it not ours\), needed 1/);
  });

  it("of a provider count a node's instance once, also while the cloud can tell only its id", async () => {
    const { cloud, launcher } = await begin({}, { limits: { instances: 1 } });
    await fulfilled(launcher, await ask(launcher, ["small"]));
    await launcher.stop();
    for (const instance of cloud.instances.values()) Object.assign(instance, { name: "", metadata: {} });
    const next = await one.launcher({
      labels: { small: {} },
      providers: [{ driver: cloud, pools: [{ name: "main", offers: ["small"] }] }],
    });
    await waits(next, await ask(next, ["small"]), /quota of instances is 1, in use 1, needed 1/);
  });

  it("of a provider do not count an instance that goes while the provider is asked", async () => {
    const { cloud, launcher } = await begin({}, { limits: { instances: 1 } });
    const name = await ask(launcher, ["small"]);
    await fulfilled(launcher, name);
    await launcher.stop();
    const list = cloud.listInstances.bind(cloud);
    const { promise: isGone, resolve: goOn } = Promise.withResolvers<void>();
    let calls = 0;
    cloud.listInstances = async (signal) => {
      calls += 1;
      const isFirst = calls === 1;
      const instances = await list(signal);
      if (isFirst) await isGone;
      return instances;
    };
    const next = await one.launcher({
      labels: { small: {} },
      providers: [{ driver: cloud, pools: [{ name: "main", offers: ["small"] }] }],
    });
    await release(next, name);
    await untilStates(next);
    goOn();
    await fulfilled(next, await ask(next, ["small"]));
  });

  it("of a provider do not count an instance that comes and goes while the provider is asked", async () => {
    const { cloud, launcher } = await begin({}, { limits: { instances: 1 } });
    const list = cloud.listInstances.bind(cloud);
    const { promise: isLaunched, resolve: launched } = Promise.withResolvers<void>();
    const { promise: isListed, resolve: listed } = Promise.withResolvers<void>();
    const { promise: isGone, resolve: gone } = Promise.withResolvers<void>();
    cloud.listInstances = async (signal) => {
      await isLaunched;
      const instances = await list(signal);
      listed();
      await isGone;
      return instances;
    };
    const next = await one.launcher({
      labels: { small: {} },
      providers: [{ driver: cloud, pools: [{ name: "main", offers: ["small"] }] }],
    });
    const name = await ask(launcher, ["small"]);
    await fulfilled(launcher, name);
    launched();
    await isListed;
    await release(launcher, name);
    await untilStates(next);
    await launcher.stop();
    gone();
    await fulfilled(next, await ask(next, ["small"]));
  });

  it("that are infinite are none", async () => {
    const { launcher } = await begin({}, { limits: { instances: Infinity, cores: Infinity } });
    await fulfilled(launcher, await ask(launcher, ["small", "small", "small"]));
  });

  it("of the provider fail a request that never fits, unless they are ignored", async () => {
    const strict = await begin({}, { limits: { instances: 1 } });
    const reason = await failed(strict.launcher, await ask(strict.launcher, ["small", "small"]));
    assert.match(
      reason,
      /would exceed the quota: the provider's quota of instances is 1, in use 0, needed 2/,
    );
    await one.end();
    const lax = { ignoreProviderQuota: true, maxServers: 2 };
    const { cloud, launcher } = await begin(lax, { limits: { instances: 1 } });
    await second(launcher, cloud, /max-servers is 2, in use 2, needed 2/);
    const large = await ask(launcher, ["small", "small", "small"]);
    assert.match(await failed(launcher, large), /max-servers is 2, in use 0, needed 3/);
  });

  it("in the way of one request do not keep a label that nobody offers from failing", async () => {
    const { launcher } = await begin({ maxServers: 1 });
    await fulfilled(launcher, await ask(launcher, ["small"]));
    await waits(launcher, await ask(launcher, ["small"]), /max-servers/);
    const session = await one.session();
    const wish = encodeRequest(newRequest(Date.now() / 1000, { nodeTypes: ["nosuch"], requestor: "zuul" }));
    const path = await session.create("/nodepool/requests/200-", wish, "persistent-sequential");
    assert.match(await failed(launcher, `nodeRequests/${idOf(path)}`), /no pool offers 'nosuch'/);
  });

  it("let those who wait be served by priority", async () => {
    const { launcher } = await begin({ maxServers: 1 });
    const first = await ask(launcher, ["small"]);
    await fulfilled(launcher, first);
    const late = await ask(launcher, ["small"], { priority: 300 });
    const normal = await ask(launcher, ["small"]);
    const early = await ask(launcher, ["small"], { priority: 100 });
    const sooner = await ask(launcher, ["small"], { relativePriority: -1n });
    let before = first;
    for (const next of [early, sooner, normal, late]) {
      await release(launcher, before);
      await fulfilled(launcher, next);
      before = next;
    }
  });

  it("do not wedge a provider that is full of idle nodes: the oldest goes", async () => {
    const { launcher } = await begin({ maxServers: 2 }, { labels: { small: { minReady: 2 }, large: {} } });
    await untilStates(launcher, "ready", "ready");
    const name = await ask(launcher, ["large"]);
    const [node] = await fulfilled(launcher, name);
    assert.deepEqual(node?.labels, ["large"]);
    await untilStates(launcher, "in-use", "ready");
  });

  it("keep min-ready from asking for nodes that there is no room for", async () => {
    const { cloud, launcher } = await begin(
      { maxServers: 2 },
      { labels: { small: { minReady: 5 }, large: {} } },
    );
    await untilStates(launcher, "ready", "ready");
    assert.deepEqual([...launcher.view.requests()], []);
    assert.equal(cloud.cloud.made.length, 2);
  });
});
