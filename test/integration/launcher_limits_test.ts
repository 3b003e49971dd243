// Launches and launchers that race for the same room: no limit is ever exceeded, and everybody is served in the end.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { View } from "../../lib/zookeeper/view.ts";
import { FakeProvider } from "../harness/fake_provider.ts";
import { until } from "../harness/launcher.ts";
import { ask, fulfilled, type LauncherCase, look, release, untilStates } from "../harness/launcher_case.ts";
import { launcherCases } from "../harness/suites.ts";

const LAUNCHERS = 8;
const REQUESTS = 48;

/** Hears of every change how many nodes there are, and how many of them a tenant's. */
function watchMost(view: View): { all: number; pool: number; tenant: number } {
  const most = { all: 0, pool: 0, tenant: 0 };
  view.subscribe(() => {
    const nodes = [...view.nodes()];
    const limited = nodes.filter(({ record }) => record?.tenantName === "limited");
    most.all = Math.max(most.all, nodes.length);
    const inPool = nodes.filter(({ record }) => record?.pool === "main");
    most.pool = Math.max(most.pool, inPool.length);
    most.tenant = Math.max(most.tenant, limited.length);
  });
  return most;
}

describe("a launcher", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  it("never begins more launches at once than max-concurrency allows", async () => {
    one = await cases.begin("cloud", "swift");
    const [cloud, swift] = [new FakeProvider("cloud"), new FakeProvider("swift")];
    const { promise, resolve } = Promise.withResolvers<void>();
    cloud.weather.gate = promise;
    const launcher = await one.launcher({
      labels: { small: { minReady: 20 }, large: {} },
      providers: [
        { driver: cloud, pools: [{ name: "main", offers: ["small"] }], config: { maxConcurrency: 2 } },
        { driver: swift, pools: [{ name: "main", offers: ["large"] }] },
      ],
    });
    await untilStates(launcher, "building", "building");
    // While those two go on, others come and are served, and nothing more is begun.
    await fulfilled(launcher, await ask(launcher, ["large"]));
    await untilStates(launcher, "building", "building", "in-use");
    resolve();
    await untilStates(launcher, "in-use", ...Array.from({ length: 20 }, () => "ready"));
  });
});

describe("eight launchers that race for room", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  it("never exceed the limits of pool, provider and tenant, and serve every request", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    cloud.weather.limits = { instances: 6 };
    cloud.weather.createMs = 5;
    const labels = Array.from({ length: LAUNCHERS }, (_, index) => `label${index}`);
    // Each launcher serves other labels, so that they do not race for the same requests.
    const settings = labels.map((label) => ({
      labels: Object.fromEntries(labels.map((name) => [name, {}])),
      providers: [
        {
          driver: cloud,
          pools: [
            { name: "main", offers: [label], maxServers: 5 },
            { name: "other", offers: [`${label}-other`], maxServers: 4 },
          ],
        },
      ],
      tenants: { limited: { instances: 2 } },
    }));
    const launchers = await Promise.all(settings.map((setting) => one.launcher(setting)));
    const [first] = launchers;
    assert.ok(first);
    const most = watchMost(first.view);
    const serve = async (index: number) => {
      const launcher = launchers[index % LAUNCHERS] ?? first;
      const label = labels[index % LAUNCHERS] ?? "";
      const wanted = [index % 3 === 0 ? `${label}-other` : label];
      const name = await ask(launcher, wanted, {
        tenant: index % 2 === 0 ? "limited" : "",
        leaseSeconds: 600,
      });
      await until(
        `${name} fulfilled`,
        async () => {
          const { request } = await look(launcher, name);
          assert.notEqual(request.state, "STATE_FAILED", request.reason);
          return request.state === "STATE_FULFILLED";
        },
        120_000,
      );
      await release(launcher, name);
    };
    await Promise.all(Array.from({ length: REQUESTS }, (_, index) => serve(index)));
    await until("all nodes gone", () => [...first.view.nodes()].length === 0, 30_000);
    assert.equal(cloud.instances.size, 0);
    assert.ok(most.all <= 6, `at most ${most.all} nodes at once`);
    assert.ok(most.tenant <= 2, `at most ${most.tenant} nodes of the tenant at once`);
    assert.ok(most.pool <= 5, `at most ${most.pool} nodes of the pool at once`);
    assert.equal(most.all, 6, "the room is used");
  });
});
