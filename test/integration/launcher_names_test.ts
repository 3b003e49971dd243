// What is left in ZooKeeper of the names of providers and tenants that have left the configuration: nothing.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CLAIMS, HOSTS } from "../../lib/model/paths.ts";
import { FakeProvider } from "../harness/fake_provider.ts";
import { hostsConfig, reloadHosts } from "../harness/hosts.ts";
import { configOf, type Setting, type TestLauncher, until } from "../harness/launcher.ts";
import { ask, fulfilled, type LauncherCase } from "../harness/launcher_case.ts";
import { launcherCases } from "../harness/suites.ts";

function setting(driver: FakeProvider, ...tenants: readonly string[]): Setting {
  const limits = Object.fromEntries(tenants.map((tenant) => [tenant, { instances: 5 }]));
  const pools = [{ name: "main", offers: ["small"], maxServers: 5 }];
  return { labels: { small: {} }, providers: [{ driver, pools }], tenants: limits };
}

async function reload(launcher: TestLauncher, next: Setting): Promise<void> {
  const providers = next.providers.map(({ driver }) => driver);
  await launcher.service.reconfigure?.({ config: configOf(next), providers, unserved: [], generation: 2 });
}

async function untilChildren(launcher: TestLauncher, path: string, ...names: readonly string[]) {
  const found = async () => (await launcher.session.children(path)).sort().join(", ");
  const wanted = [...names].sort().join(", ");
  await until(`${path} has ${wanted || "nothing"}`, async () => (await found()) === wanted);
}

describe("names that have left the configuration", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  it("have no marks of claims, after a reload and after a start", async () => {
    one = await cases.begin("cloud", "second");
    const [cloud, second] = [new FakeProvider("cloud"), new FakeProvider("second")];
    const first = await one.launcher(setting(cloud, "blue", "red"));
    await fulfilled(first, await ask(first, ["small"], { tenant: "red" }));
    await untilChildren(first, CLAIMS, "provider:cloud", "tenant:blue", "tenant:red");
    await reload(first, setting(second, "blue"));
    await untilChildren(first, CLAIMS, "provider:second", "tenant:blue");
    await first.stop();
    const next = await one.launcher(setting(cloud));
    await untilChildren(next, CLAIMS, "provider:cloud");
  });

  it("keep them while another launcher serves the provider, and get them back when it needs them", async () => {
    one = await cases.begin("cloud", "second");
    const first = await one.launcher(setting(new FakeProvider("cloud"), "red"));
    const other = await one.launcher(setting(new FakeProvider("second")));
    await untilChildren(other, CLAIMS, "provider:cloud", "provider:second");
    // What goes last of all that this reload removes: what comes after that is removed by nobody.
    await other.session.ensurePath(`${HOSTS}/left`);
    await reload(other, setting(new FakeProvider("second")));
    await untilChildren(other, HOSTS);
    const requests = await Promise.all(
      Array.from({ length: 3 }, () => ask(first, ["small"], { tenant: "red", provider: "cloud" })),
    );
    for (const request of requests) await fulfilled(first, request);
    await untilChildren(other, CLAIMS, "provider:cloud", "provider:second", "tenant:red");
  });

  it("have no lock of hosts, after a reload and after a start", async () => {
    const cloud = new FakeProvider("cloud");
    one = await cases.begin("cloud");
    const first = await one.launcher(hostsConfig([]));
    await until("the hosts are kept", async () => (await first.session.exists(`${HOSTS}/lab/lock`)) !== null);
    await reload(first, setting(cloud));
    await untilChildren(first, HOSTS);
    await reloadHosts(first, hostsConfig([]));
    await untilChildren(first, HOSTS, "lab");
    await first.stop();
    const next = await one.launcher(setting(cloud));
    await untilChildren(next, HOSTS);
  });

  it("keep the lock of hosts that another launcher keeps", async () => {
    one = await cases.begin("cloud");
    const keeper = await one.launcher(hostsConfig([]));
    await until("the hosts are kept", async () => {
      const line = await keeper.session.children(`${HOSTS}/lab/lock`).catch(() => []);
      return line.length === 1;
    });
    const other = await one.launcher(setting(new FakeProvider("cloud")));
    await reload(other, setting(new FakeProvider("cloud")));
    assert.deepEqual(await other.session.children(HOSTS), ["lab"]);
  });
});
