// What a launcher measures of all that happens, as an operator's dashboards and alerts have it: docs/operating.md lists it.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { REQUESTS } from "../../lib/model/paths.ts";
import { METADATA } from "../../lib/provider/contract.ts";
import { FakeProvider } from "../harness/fake_provider.ts";
import { type TestLauncher, until } from "../harness/launcher.ts";
import {
  ask,
  askAsZuul,
  callContext,
  fulfilled,
  type LauncherCase,
  release,
  simple,
  untilStates,
} from "../harness/launcher_case.ts";
import { measure, type Shown } from "../harness/metrics.ts";
import { launcherCases } from "../harness/suites.ts";

const OFTEN = { cleanupIntervalMs: 60 };
const LAUNCH = { provider: "cloud", pool: "main", label: "small" };
const ofNode = (node: string) => ({ [METADATA.provider]: "cloud", [METADATA.node]: node });

describe("launcher: metrics", () => {
  const cases = launcherCases();
  let measured: ReturnType<typeof measure>;
  let one: LauncherCase;
  let cloud: FakeProvider;

  beforeEach(async () => {
    measured = measure();
    one = await cases.begin("cloud", "next");
    cloud = new FakeProvider("cloud");
  });
  afterEach(() => measured.end());

  /** Waits until a metric shows this, and fails with what it shows instead. */
  async function shows(name: string, ...wanted: Shown[]) {
    let shown: Shown[] = [];
    await until(name, async () => {
      shown = await measured.shown(name);
      return JSON.stringify(shown) === JSON.stringify(wanted);
    }).catch(() => assert.deepEqual(shown, wanted, name));
  }

  /** Asks for a node, gives it back, and waits until it is gone and that is measured. */
  async function live(launcher: TestLauncher): Promise<void> {
    const name = await ask(launcher, ["small"]);
    await fulfilled(launcher, name);
    await release(launcher, name);
    await untilStates(launcher);
    await shows("nodepool.delete.duration", [{ provider: "cloud" }, 1]);
  }

  /** Somebody writes a request just before the launcher does that for the first time. */
  async function hurry({ session }: TestLauncher): Promise<void> {
    const { multi } = session;
    const outside = await one.session();
    let times = 0;
    session.multi = async (operations) => {
      const found = operations.find(({ kind, path }) => kind === "set" && path.startsWith(REQUESTS));
      if (found !== undefined) times += 1;
      if (found !== undefined && times === 1) {
        await outside.set(found.path, (await outside.get(found.path)).data, -1);
      }
      return await multi.call(session, operations);
    };
  }

  it("count the launch, the wait and the deletion of a node's life", async () => {
    await live(await one.launcher(simple(cloud)));
    await shows("nodepool.launch.duration", [{ ...LAUNCH, result: "ready" }, 1]);
    await shows("nodepool.request.wait", [{ provider: "cloud", pool: "main", reused: false }, 1]);
    await shows("nodepool.action.conflicts");
  });

  it("are in seconds", async () => {
    Object.assign(cloud.weather, { createMs: 200, deleteMs: 200 });
    await live(await one.launcher(simple(cloud)));
    for (const name of ["launch.duration", "request.wait", "delete.duration"]) {
      const sum = await measured.sum(`nodepool.${name}`);
      assert.ok(sum >= 0.199 && sum < 60, `${name} took ${sum}`);
    }
  });

  it("tell a wait that a node which was ready has ended from others", async () => {
    const launcher = await one.launcher(simple(cloud, { minReady: 1 }));
    await untilStates(launcher, "ready");
    await fulfilled(launcher, await ask(launcher, ["small"]));
    // The node that takes its place has made another one wait.
    const reused = async () => (await measured.shown("nodepool.request.wait")).filter(([of]) => of.reused);
    await until("the wait", async () => (await reused()).length > 0);
    assert.deepEqual(await reused(), [[{ provider: "cloud", pool: "main", reused: true }, 1]]);
  });

  it("show how many nodes and requests there are, by provider and state", async () => {
    const launcher = await one.launcher(simple(cloud, { minReady: 2 }));
    await untilStates(launcher, "ready", "ready");
    await fulfilled(launcher, await ask(launcher, ["small"]));
    await untilStates(launcher, "ready", "ready", "in-use");
    const nodes = await measured.shown("nodepool.nodes");
    assert.deepEqual(nodes, [
      [{ provider: "cloud", state: "in-use" }, 1],
      [{ provider: "cloud", state: "ready" }, 2],
    ]);
    await shows("nodepool.requests", [{ state: "fulfilled" }, 1]);
  });

  it("show how many nodes each label has, also that it has none", async () => {
    await untilStates(await one.launcher(simple(cloud, { minReady: 2 })), "ready", "ready");
    const shown = await measured.shown("nodepool.label.nodes");
    const ready = shown.filter(([{ state }]) => state === "ready");
    assert.deepEqual(ready, [
      [{ label: "large", state: "ready" }, 0],
      [{ label: "small", state: "ready" }, 2],
    ]);
  });

  it("show the limits of its pools and tenants", async () => {
    await one.launcher({ ...simple(cloud, { maxServers: 3 }), tenants: { acme: { cores: 8 } } });
    const [place, resource] = [{ provider: "cloud", pool: "main" }, "instances"];
    await shows("nodepool.pool.limit", [{ ...place, resource }, 3]);
    await shows("nodepool.tenant.limit", [{ tenant: "acme", resource: "cores" }, 8]);
  });

  it("count a launch that fails, and whether its request was declined or has failed", async () => {
    const next = new FakeProvider("next");
    const pools = [{ name: "main", offers: ["small"] }];
    const config = { launchRetries: 1 };
    const launcher = await one.launcher({
      labels: { small: {} },
      providers: [cloud, next].map((driver) => ({ driver, pools, config })),
    });
    for (const { weather } of [cloud, next]) weather.failCreates = 1;
    const request = await askAsZuul(launcher, { nodeTypes: ["small"] });
    await until("it has failed", () => launcher.view.request(request)?.record?.state === "failed");
    const at = (provider: string) => ({ ...LAUNCH, provider, result: "failed" });
    await shows("nodepool.launch.duration", [at("cloud"), 1], [at("next"), 1]);
    await shows("nodepool.request.declines", [{ failed: false }, 1], [{ failed: true }, 1]);
  });

  it("count a launch that the provider refused for want of quota as aborted", async () => {
    cloud.weather.quota = 0;
    const launcher = await one.launcher(simple(cloud));
    await ask(launcher, ["small"]);
    await shows("nodepool.launch.duration", [{ ...LAUNCH, result: "aborted" }, 1]);
  });

  it("count a launch whose launcher stops meanwhile as interrupted", async () => {
    cloud.weather.hang.add("createInstance");
    const launcher = await one.launcher(simple(cloud));
    await ask(launcher, ["small"]);
    await until("its create", () => cloud.calls.length > 0);
    await one.stop(launcher);
    await shows("nodepool.launch.duration", [{ ...LAUNCH, result: "interrupted" }, 1]);
  });

  it("count what was removed because no node knows it, by kind", async () => {
    cloud.add("np0000000099", ofNode("0000000099"), "running");
    for (const node of ["0000000097", "0000000098"]) cloud.cloud.addLeftover("port", ofNode(node));
    await one.launcher(simple(cloud), OFTEN);
    await shows(
      "nodepool.leaked.instances",
      [{ provider: "cloud", kind: "instance" }, 1],
      [{ provider: "cloud", kind: "port" }, 2],
    );
  });

  it("show and count images that no upload knows", async () => {
    const metadata = { ...ofNode(""), [METADATA.build]: "none", [METADATA.upload]: "0000000009" };
    await cloud.cloud.createImage({ name: "lost", metadata }, AbortSignal.timeout(5000));
    // An image has to look lost for 600 ms then.
    await one.launcher(simple(cloud), { cleanupIntervalMs: 10 });
    const images = async () =>
      (await measured.shown("nodepool.drift")).find(([{ kind }]) => kind === "image")?.[1];
    await until("it is found", async () => (await images()) === 1);
    await shows("nodepool.leaked.instances", [{ provider: "cloud", kind: "image" }, 1]);
    await until("nothing is lost", async () => (await images()) === 0);
  });

  it("show while the brake is on that it is, and what provider and records do not agree on", async () => {
    const launcher = await one.launcher(simple(cloud, { minReady: 2 }), OFTEN);
    await untilStates(launcher, "ready", "ready");
    await shows("nodepool.brake", [{ provider: "cloud" }, 0]);
    cloud.instances.clear();
    for (const node of ["0000000097", "0000000098", "0000000099"]) {
      cloud.add(`np${node}`, ofNode(node), "running");
    }
    cloud.cloud.addLeftover("port", ofNode("0000000096"));
    const drift = async (image: number, instance: number, leftover: number, node: number) =>
      await shows(
        "nodepool.drift",
        ...Object.entries({ image, instance, leftover, node }).map(([kind, count]): Shown => {
          return [{ provider: "cloud", kind }, count];
        }),
      );
    await shows("nodepool.brake", [{ provider: "cloud" }, 1]);
    await drift(0, 3, 1, 2);
    await launcher.providers.releaseBrake({ name: "providers/cloud" }, callContext);
    await shows("nodepool.brake", [{ provider: "cloud" }, 0]);
    await drift(0, 0, 0, 0);
  });

  it("count an action that somebody else was faster with", async () => {
    const launcher = await one.launcher(simple(cloud));
    await hurry(launcher);
    await fulfilled(launcher, await ask(launcher, ["small"]));
    await shows("nodepool.action.conflicts", [{ action: "serve" }, 1]);
  });

  it("do not count a decline that was refused because somebody else was faster", async () => {
    const launcher = await one.launcher(simple(cloud));
    await hurry(launcher);
    await askAsZuul(launcher, { nodeTypes: ["unknown"] });
    await shows("nodepool.action.conflicts", [{ action: "decline" }, 1]);
    await shows("nodepool.request.declines", [{ failed: true }, 1]);
  });
});
