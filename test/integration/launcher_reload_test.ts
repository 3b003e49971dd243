// A launcher that takes another configuration while it runs.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeProvider } from "../harness/fake_provider.ts";
import { configOf, type Setting, type TestLauncher, until } from "../harness/launcher.ts";
import {
  ask,
  askAsZuul,
  callContext,
  fulfilled,
  type LauncherCase,
  look,
  release,
  untilStates,
} from "../harness/launcher_case.ts";
import { launcherCases } from "../harness/suites.ts";

type Pools = Setting["providers"][number]["pools"];

/** A launch may take as long as a test holds it up. */
function setting(driver: FakeProvider, pools: Pools, minReady = 0): Setting {
  const config = { launchTimeout: 600 };
  return { labels: { small: { minReady }, large: {} }, providers: [{ driver, pools, config }] };
}

async function reload(launcher: TestLauncher, next: Setting): Promise<void> {
  const providers = next.providers.map(({ driver }) => driver);
  await launcher.service.reconfigure?.({ config: configOf(next), providers, unserved: [], generation: 2 });
}

const offered = (launcher: TestLauncher) =>
  [...launcher.view.pools()].map(({ record }) => `${record?.name}: ${record?.supportedLabels.join()}`).sort();

describe("a launcher whose configuration changes", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  it("offers labels and pools as they come and go, and deletes idle nodes that nobody can be given", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(setting(cloud, [{ name: "main", offers: ["small"] }], 1));
    await untilStates(launcher, "ready");
    await assert.rejects(ask(launcher, ["large"]), /no label 'large'/);
    const both = [
      { name: "main", offers: ["small"] },
      { name: "other", offers: ["large"] },
    ];
    await reload(launcher, setting(cloud, both, 1));
    await until("both pools", () => offered(launcher).join("; ") === "main: small; other: large");
    const name = await ask(launcher, ["large"]);
    const [node] = await fulfilled(launcher, name);
    assert.equal(node?.pool, "other");
    await reload(launcher, setting(cloud, [{ name: "third", offers: ["large"] }]));
    await until("one pool", () => offered(launcher).join() === "third: large");
    await until("the idle node gone", () => cloud.instances.size === 1);
    await release(launcher, name);
    await untilStates(launcher);
    assert.equal(cloud.instances.size, 0);
  });

  it("still looks after the nodes of a provider that has no pools any more", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(setting(cloud, [{ name: "main", offers: ["small"] }], 1));
    await untilStates(launcher, "ready");
    const name = await ask(launcher, ["small"]);
    await fulfilled(launcher, name);
    await untilStates(launcher, "in-use", "ready");
    await reload(launcher, setting(cloud, []));
    await untilStates(launcher, "in-use");
    const states = new Set<string | undefined>();
    launcher.view.subscribe(({ kind, id }) => {
      if (kind === "node") states.add(launcher.view.node(id)?.record?.state);
    });
    await release(launcher, name);
    await untilStates(launcher);
    assert.equal(cloud.instances.size, 0);
    assert.equal(states.has("used"), false, "it goes at once, with its lease");
  });

  it("keeps the nodes of a provider that cannot be used for now, and lets who asks for them wait", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const same = setting(cloud, [{ name: "main", offers: ["small"] }], 1);
    const launcher = await one.launcher(same);
    await untilStates(launcher, "ready");
    const [idle] = [...launcher.view.nodes()].map(({ id }) => id);
    const away = { name: "cloud", driver: "fake", problem: "no route", retryable: true };
    const next = { config: configOf(same), providers: [], unserved: [away], generation: 2 };
    await launcher.service.reconfigure?.(next);
    await until("no pool", () => offered(launcher).length === 0);
    const name = await ask(launcher, ["small"]);
    const zuul = await askAsZuul(launcher, { nodeTypes: ["small"] });
    const why = async () => (await look(launcher, name)).request.reason;
    await until(
      "it waits",
      async () => (await why()) === "cloud/main: its provider cannot be used here: no route",
    );
    await until("Zuul's, too", () => launcher.view.request(zuul)?.record?.state === "requested");
    await reload(launcher, same);
    const [node] = await fulfilled(launcher, name);
    assert.equal(node?.name, `nodes/${idle}`);
    await until("Zuul's has one", () => launcher.view.request(zuul)?.record?.state === "fulfilled");
  });

  it("says in the components which configuration it and others run with", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const first = setting(cloud, [{ name: "main", offers: ["small"] }]);
    const launcher = await one.launcher(first);
    const listed = async () => {
      const { components = [] } = await launcher.components.listComponents({}, callContext);
      return components.map(
        ({ kind, hostname, configHash, configGeneration, provider, pool, labels }) =>
          `${kind} ${hostname} ${configHash}/${configGeneration} ${provider} ${pool} ${labels}`,
      );
    };
    const pool = "pool test-host /0 providers/cloud main small";
    await until("itself", async () => (await listed()).join() === `launcher test-host /1   ,${pool}`);
    const config = { ...configOf(first), hash: "abc" };
    await launcher.service.reconfigure?.({ config, providers: [cloud], unserved: [], generation: 2 });
    await until("the other", async () => (await listed()).join() === `launcher test-host abc/2   ,${pool}`);
  });

  it("goes on with launches when the provider is opened anew", async () => {
    one = await cases.begin("cloud");
    const old = new FakeProvider("cloud");
    old.weather.createMs = 600_000;
    const pools = [{ name: "main", offers: ["small"] }];
    const launcher = await one.launcher(setting(old, pools));
    const name = await ask(launcher, ["small"]);
    await until("an instance", () => old.instances.size === 1);
    await until("its id", () => [...launcher.view.nodes()][0]?.record?.externalId);
    const next = new FakeProvider("cloud");
    for (const [id, instance] of old.instances) next.instances.set(id, instance);
    await reload(launcher, setting(next, pools));
    const [node] = await fulfilled(launcher, name);
    assert.equal(node?.name, "nodes/0000000000");
    assert.deepEqual([old.instances.size, next.instances.size], [1, 1], "it is the same instance");
    await release(launcher, name);
    await untilStates(launcher);
    assert.equal(next.instances.size, 0);
  });

  it("goes on with a deletion that hangs when the provider is opened anew", async () => {
    one = await cases.begin("cloud");
    const [old, next] = [new FakeProvider("cloud"), new FakeProvider("cloud")];
    old.weather.hang.add("deleteInstance");
    const pools = [{ name: "main", offers: ["small"] }];
    const launcher = await one.launcher(setting(old, pools));
    const name = await ask(launcher, ["small"]);
    await fulfilled(launcher, name);
    await release(launcher, name);
    await until("the deletion has begun", () => old.calls.some((call) => call.startsWith("delete")));
    for (const [id, instance] of old.instances) next.instances.set(id, instance);
    await reload(launcher, setting(next, pools));
    await untilStates(launcher);
    assert.equal(next.instances.size, 0);
  });

  it("fails a request in hand that does not fit any more", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    cloud.weather.quota = 1;
    const pool = { name: "main", offers: ["small"] };
    const launcher = await one.launcher(setting(cloud, [{ ...pool, maxServers: 3 }]));
    const name = await ask(launcher, ["small", "small"]);
    await until("it waits in hand", async () => /quota/.test((await look(launcher, name)).request.reason));
    await reload(launcher, setting(cloud, [{ ...pool, maxServers: 1 }]));
    const { request } = await until("it failed", async () => {
      const seen = await look(launcher, name);
      return seen.request.state === "STATE_FAILED" ? seen : null;
    });
    assert.match(request.reason, /would exceed the quota: max-servers is 1, in use 0, needed 2/);
  });

  it("launches no more ready nodes than it is told meanwhile", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const { promise, resolve } = Promise.withResolvers<void>();
    cloud.weather.gate = promise;
    const slow = (minReady: number): Setting => {
      const providers = [
        { driver: cloud, pools: [{ name: "main", offers: ["small"] }], config: { maxConcurrency: 1 } },
      ];
      return { labels: { small: { minReady } }, providers };
    };
    const launcher = await one.launcher(slow(4));
    await until("four are asked for, one is launched", () => {
      const states = Array.from(launcher.view.requests(), ({ record }) => record?.state);
      return states.sort().join() === "pending,requested,requested,requested";
    });
    await reload(launcher, slow(2));
    await until("two are asked for", () => [...launcher.view.requests()].length === 2);
    resolve();
    await untilStates(launcher, "ready", "ready");
    assert.equal(cloud.cloud.made.length, 2);
    assert.deepEqual([...launcher.view.requests()], []);
  });

  it("boots nothing in a pool that is switched off, and lets its nodes live out their lives", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const pool = { name: "main", offers: ["small"] };
    const launcher = await one.launcher(setting(cloud, [pool], 1));
    await untilStates(launcher, "ready");
    const name = await ask(launcher, ["small"]);
    await fulfilled(launcher, name);
    await untilStates(launcher, "in-use", "ready");
    await reload(launcher, setting(cloud, [{ ...pool, maxServers: -1 }], 1));
    await until("nothing offered", () => offered(launcher).join() === "main: ");
    await release(launcher, name);
    await untilStates(launcher, "ready");
  });

  it("lets go of a provider that is taken out, and leaves its nodes to a launcher that has it", async () => {
    one = await cases.begin("cloud", "second");
    const [cloud, second] = [new FakeProvider("cloud"), new FakeProvider("second")];
    cloud.weather.createMs = 600_000;
    const pools = [{ name: "main", offers: ["small"] }];
    const launcher = await one.launcher(setting(cloud, pools));
    const name = await ask(launcher, ["small"]);
    await until("an instance", () => cloud.instances.size === 1);
    await until("its id", () => [...launcher.view.nodes()][0]?.record?.externalId);
    await reload(launcher, setting(second, pools));
    const [node] = await fulfilled(launcher, name);
    assert.equal(node?.provider, "second");
    cloud.weather.createMs = 0;
    const other = await one.launcher(setting(cloud, pools));
    await until("the old provider is cleaned up", () => cloud.instances.size === 0);
    await release(other, name);
    await untilStates(launcher);
  });

  it("forgets no node whose provider is taken out while it is being returned", async () => {
    one = await cases.begin("cloud", "second");
    const [cloud, second] = [new FakeProvider("cloud"), new FakeProvider("second")];
    const pools = [{ name: "main", offers: ["small"] }];
    const launcher = await one.launcher(setting(cloud, pools));
    const names = await Promise.all(Array.from({ length: 20 }, () => ask(launcher, ["small"])));
    for (const name of names) await fulfilled(launcher, name);
    const returned = Promise.all(names.map((name) => release(launcher, name)));
    await reload(launcher, setting(second, pools));
    await returned;
    const recorded = new Set([...launcher.view.nodes()].map(({ id }) => `np${id}`));
    const forgotten = [...cloud.instances.values()].filter(({ name }) => !recorded.has(name));
    assert.deepEqual(forgotten, []);
    await reload(launcher, setting(cloud, pools));
    await untilStates(launcher);
    assert.equal(cloud.instances.size, 0);
  });
});
