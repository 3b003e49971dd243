// Launches and launchers that race for the same room: no limit is ever exceeded, and everybody is served in the end.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NodeRecord } from "../../lib/model/node.ts";
import type { View } from "../../lib/zookeeper/view.ts";
import { FakeProvider } from "../harness/fake_provider.ts";
import { type Setting, type TestLauncher, until } from "../harness/launcher.ts";
import { ask, fulfilled, type LauncherCase, release, untilStates } from "../harness/launcher_case.ts";
import { launcherCases } from "../harness/suites.ts";

const LAUNCHERS = 8;
const REQUESTS = 48;

/** Hears of every change how much of a resource nodes take: all, those of each pool, and those that a tenant has. */
function watchMost(view: View, resource: "instances" | "cores") {
  const most = { all: 0, main: 0, other: 0, tenant: 0 };
  view.subscribe(() => {
    const records = [...view.nodes()].flatMap(({ record }) => record ?? []);
    const note = (where: keyof typeof most, does: (record: NodeRecord) => boolean) => {
      const amounts = records.filter(does).map(({ resources }) => Number(resources?.[resource]));
      most[where] = Math.max(
        most[where],
        amounts.reduce((sum, amount) => sum + amount, 0),
      );
    };
    note("all", () => true);
    note("main", ({ pool }) => pool === "main");
    note("other", ({ pool }) => pool === "other");
    // A ready node that nobody has may still name the tenant that it was launched for.
    const isHad = ({ state, allocatedTo }: NodeRecord) => state !== "ready" || allocatedTo !== null;
    note("tenant", (record) => record.tenantName === "limited" && isHad(record));
  });
  return most;
}

/** Asks for a node, for a tenant that is limited or for none, and gives it back as soon as it is there. */
async function useOne(launcher: TestLauncher, label: string, tenant: string): Promise<void> {
  const name = await ask(launcher, [label], { tenant, leaseSeconds: 600 });
  await fulfilled(launcher, name, 120_000);
  await release(launcher, name);
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
    const most = watchMost(first.view, "instances");
    const uses = Array.from({ length: REQUESTS }, (_, index) => {
      const label = labels[index % LAUNCHERS] ?? "";
      const wanted = index % 3 === 0 ? `${label}-other` : label;
      return useOne(launchers[index % LAUNCHERS] ?? first, wanted, index % 2 === 0 ? "limited" : "");
    });
    await Promise.all(uses);
    await until("all nodes gone", () => [...first.view.nodes()].length === 0, 30_000);
    assert.equal(cloud.instances.size, 0);
    assert.ok(most.tenant <= 2, `at most ${most.tenant} nodes of the tenant at once`);
    assert.ok(most.main <= 5, `at most ${most.main} nodes of one pool at once`);
    assert.ok(most.other <= 4, `at most ${most.other} nodes of the other pool at once`);
    assert.equal(most.all, 6, "the room is used, and no more");
  });

  /**
   * What nodes take at most. All launchers serve the label `large`, and each a small one beside it that some others serve
   * too; they keep some nodes ready and hear of each other late.
   */
  async function race(limits: { readonly maxCores?: number; readonly tenantCores?: number }) {
    const names = ["cloud", "second"];
    one = await cases.begin(...names);
    const clouds = names.map((name) => {
      const cloud = new FakeProvider(name);
      cloud.resourcesOf = (_pool, label) => ({ instances: 1, cores: label === "large" ? 4 : 1 });
      return cloud;
    });
    const { maxCores = Infinity, tenantCores } = limits;
    const small = ["small0", "small1", "small2", "small3"];
    const labelOf = (index: number) => small[index % small.length] ?? "";
    const settings = Array.from({ length: LAUNCHERS }, (_, index): Setting => {
      const offers = [labelOf(index), "large"];
      return {
        labels: { ...Object.fromEntries(small.map((name) => [name, { minReady: 1 }])), large: {} },
        providers: clouds.map((driver, at) => ({
          driver,
          pools: [{ name: at === 0 ? "main" : "other", offers, maxCores }],
        })),
        ...(tenantCores === undefined ? {} : { tenants: { limited: { cores: tenantCores } } }),
      };
    });
    const launchers = await Promise.all(
      settings.map((setting, index) => one.launcher(setting, { slowWire: index > 0 })),
    );
    const [first] = launchers;
    assert.ok(first);
    const most = watchMost(first.view, "cores");
    const uses = Array.from({ length: REQUESTS / 2 }, (_, index) => {
      const launcher = launchers[index % LAUNCHERS] ?? first;
      return useOne(launcher, index % 3 === 0 ? "large" : labelOf(index), index % 2 === 0 ? "limited" : "");
    });
    await Promise.all(uses);
    await untilStates(first, ...small.map(() => "ready"));
    return most;
  }

  it("never exceed a pool's limit of cores, whoever serves which labels", async () => {
    const most = await race({ maxCores: 10 });
    const told = `${most.main} and ${most.other} cores of the pools at once`;
    assert.ok(most.main <= 10 && most.other <= 10, `at most ${told}`);
    assert.ok(Math.max(most.main, most.other) > 10 - 4, `only ${told}`);
  });

  it("never exceed a tenant's limit of cores where nothing else bounds them", async () => {
    const { tenant } = await race({ tenantCores: 5 });
    assert.ok(tenant <= 5, `at most ${tenant} cores of the tenant at once`);
    assert.ok(tenant > 5 - 4, `only ${tenant} cores of the tenant at once`);
  });
});
