// The launcher on a real ZooKeeper with a provider in memory: nodes after their launch, crashes.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeNode, newNode } from "../../lib/model/node.ts";
import { nodeLockPath, nodePath } from "../../lib/model/paths.ts";
import { METADATA } from "../../lib/provider/contract.ts";
import { FakeCloud } from "../../lib/provider/fake/cloud.ts";
import { createLocks } from "../../lib/zookeeper/locks.ts";
import { FakeProvider } from "../../test/harness/fake_provider.ts";
import { until } from "../../test/harness/launcher.ts";
import {
  ask,
  callContext,
  fulfilled,
  idOf,
  type LauncherCase,
  release,
  simple,
  statesOf,
  untilStates,
} from "../../test/harness/launcher_case.ts";
import { leapingClock } from "../../test/harness/leaping_clock.ts";
import { launcherCases } from "../../test/harness/suites.ts";

/** With it a launch lasts for as long as a test holds it up. */
const PATIENT = { launchTimeout: 600 };

/** A cloud whose instances do not run before a test says so. */
function bootingCloud() {
  const clock = leapingClock();
  const cloud = new FakeProvider("cloud", new FakeCloud({ clock }));
  cloud.weather.createMs = 600_000;
  return { cloud, boot: () => clock.leap(cloud.weather.createMs) };
}

describe("launcher: the life of nodes", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  it("holds a leased node when it is returned, and lets it go when the hold expires", async () => {
    one = await cases.begin("cloud");
    const clock = leapingClock();
    const launcher = await one.launcher(simple(new FakeProvider("cloud")), { clock });
    const request = await ask(launcher, ["small"]);
    const [node] = await fulfilled(launcher, request);
    const held = await launcher.nodes.holdNode(
      { name: node?.name ?? "", reason: "why", expireSeconds: 600n },
      callContext,
    );
    assert.equal(held.node?.holdRequested, true);
    assert.equal(held.node?.state, "STATE_IN_USE");
    await release(launcher, request);
    await untilStates(launcher, "hold");
    clock.leap(600_000);
    await untilStates(launcher);
  });

  it("leaves a node that is returned to whoever waits for its lock, and deletes it when that is given back", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud")));
    const request = await ask(launcher, ["small"]);
    const [node] = await fulfilled(launcher, request);
    const other = createLocks(await one.session());
    const waiting = other.acquire(nodeLockPath(idOf(node?.name)), { timeout: 30_000 });
    const contenders = () => launcher.view.node(idOf(node?.name))?.lock.contenders.length;
    await until("somebody waits", () => contenders() === 2);
    await release(launcher, request);
    const lock = await waiting;
    assert.deepEqual(statesOf(launcher), ["used"]);
    await lock?.release();
    await untilStates(launcher);
  });

  it("deletes what was taken through a launcher that does not serve its provider", async () => {
    one = await cases.begin("cloud", "other");
    await one.launcher(simple(new FakeProvider("cloud")));
    const stranger = await one.launcher(simple(new FakeProvider("other"), { maxServers: 0 }));
    const request = await ask(stranger, ["small"]);
    await fulfilled(stranger, request);
    await release(stranger, request);
    await untilStates(stranger);
  });

  it("holds a ready node at once and replaces it", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud"), { minReady: 1 }));
    await untilStates(launcher, "ready");
    const [node] = [...launcher.view.nodes()];
    await launcher.nodes.holdNode(
      { name: `nodes/${node?.id}`, reason: "mine", expireSeconds: 0n },
      callContext,
    );
    await untilStates(launcher, "hold", "ready");
  });

  it("deletes a node that is in use when it is told to, and the lease can still be released", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(simple(cloud));
    const request = await ask(launcher, ["small"]);
    const [node] = await fulfilled(launcher, request);
    const reply = await launcher.nodes.deleteNode({ name: node?.name ?? "" }, callContext);
    assert.equal(reply.node?.state, "STATE_DELETING");
    await untilStates(launcher);
    assert.equal(cloud.instances.size, 0);
    await release(launcher, request);
  });

  it("repeats a deletion until the provider confirms it", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    cloud.weather.failDeletes = 2;
    const launcher = await one.launcher(simple(cloud));
    const request = await ask(launcher, ["small"]);
    await fulfilled(launcher, request);
    await release(launcher, request);
    await untilStates(launcher, "deleting");
    await untilStates(launcher);
    assert.equal(cloud.calls.filter((call) => call.startsWith("delete")).length, 3);
  });

  it("removes an instance that no node knows, and a node whose instance is gone", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    cloud.add("np0000000099", { [METADATA.provider]: "cloud", [METADATA.node]: "0000000099" }, "running");
    cloud.add("other", { [METADATA.provider]: "elsewhere", [METADATA.node]: "0000000098" }, "running");
    const launcher = await one.launcher(simple(cloud, { minReady: 1 }), { cleanupIntervalMs: 100 });
    await untilStates(launcher, "ready");
    await until(
      "leak removed",
      () => ![...cloud.instances.values()].some(({ name }) => name === "np0000000099"),
    );
    assert.ok([...cloud.instances.values()].some(({ name }) => name === "other"));
    const [node] = [...launcher.view.nodes()];
    cloud.instances.delete(String(node?.record?.externalId));
    await until("node replaced", () => launcher.view.node(node?.id ?? "") === undefined);
    await untilStates(launcher, "ready");
  });

  it("goes on with a launch whose launcher crashed: same request, same node, same instance", async () => {
    one = await cases.begin("cloud");
    const { cloud, boot } = bootingCloud();
    const first = await one.launcher(simple(cloud, PATIENT));
    const request = await ask(first, ["small"]);
    await until("an instance", () => cloud.instances.size === 1);
    await until("its id is stored", () => [...first.view.nodes()][0]?.record?.externalId);
    await first.crash();
    boot();
    const create = cloud.createInstance.bind(cloud);
    const told: (string | undefined)[] = [];
    cloud.createInstance = (spec, note, signal) => {
      told.push(spec.externalId);
      return create(spec, note, signal);
    };
    const second = await one.launcher(simple(cloud));
    const [node] = await fulfilled(second, request);
    assert.equal(node?.name, "nodes/0000000000");
    assert.deepEqual(told, [...cloud.instances.keys()], "the provider is told which instance is recorded");
    assert.equal(cloud.instances.size, 1);
    assert.equal(cloud.calls.filter((call) => call.startsWith("delete")).length, 0);
    await release(second, request);
    await untilStates(second);
  });

  it("hands launches over when it is stopped", async () => {
    one = await cases.begin("cloud");
    const { cloud, boot } = bootingCloud();
    const first = await one.launcher(simple(cloud, PATIENT));
    const second = await one.launcher(simple(cloud, PATIENT));
    const names = await Promise.all([ask(first, ["small"]), ask(first, ["small"]), ask(second, ["small"])]);
    await until("three instances", () => cloud.instances.size === 3);
    await one.stop(first);
    boot();
    for (const name of names) await fulfilled(second, name);
    assert.equal(cloud.instances.size, 3);
  });

  it("recovers when its session expires in the middle of a launch", async () => {
    one = await cases.begin("cloud");
    const { cloud, boot } = bootingCloud();
    const launcher = await one.launcher(simple(cloud, PATIENT));
    const request = await ask(launcher, ["small"]);
    await until("an instance", () => cloud.instances.size === 1);
    const { signal } = launcher.session;
    await cases.server.expire(launcher.session as never);
    await until("it hears of that", () => signal.aborted);
    boot();
    await fulfilled(launcher, request);
    assert.equal(cloud.instances.size, 1);
    assert.equal([...launcher.view.pools()].length, 1);
  });

  it("deletes what a dead user and a dead launcher have left behind", async () => {
    one = await cases.begin("cloud");
    const session = await one.session();
    await session.ensurePath("/nodepool/nodes");
    const now = Date.now() / 1000;
    const place = { provider: "cloud", pool: "main", type: ["small"] };
    for (const state of ["in-use", "used", "building", "failed", "aborted", "deleting", "deleted"] as const) {
      const record = newNode(now, { ...place, state });
      await session.create("/nodepool/nodes/", encodeNode(record), "persistent-sequential");
    }
    const orphan = newNode(now, { ...place, state: "ready", allocatedTo: "200-0000000077" });
    const freed = await session.create("/nodepool/nodes/", encodeNode(orphan), "persistent-sequential");
    await session.create(nodePath("0000000050"), new Uint8Array(), "persistent");
    const launcher = await one.launcher(simple(new FakeProvider("cloud")));
    await untilStates(launcher, "ready");
    await until("freed", () => launcher.view.node(idOf(freed))?.record?.allocatedTo === null);
  });

  it("deletes all instances of a node of which no id is known, and none of another that had its number", async () => {
    one = await cases.begin("cloud");
    const session = await one.session();
    await session.ensurePath("/nodepool/nodes");
    const now = Date.now() / 1000;
    const id = "0000000000";
    const place = { provider: "cloud", pool: "main", type: ["small"], imageId: "image-at-cloud" };
    const record = newNode(now, { ...place, state: "deleting" });
    await session.create(nodePath(id), encodeNode(record), "persistent");
    const cloud = new FakeProvider("cloud");
    const metadata = { [METADATA.provider]: "cloud", [METADATA.node]: id };
    const token = (time: number) => ({ [METADATA.launchToken]: `${id}-${Math.round(time * 1000)}-1` });
    cloud.add("ours", { ...metadata, ...token(now) }, "running");
    cloud.add("of Python's launcher, without a token", metadata, "running");
    cloud.add("another's", { ...metadata, ...token(now - 86_400) }, "running");
    const launcher = await one.launcher(simple(cloud));
    await until("the node gone", () => launcher.view.node(id) === undefined);
    assert.deepEqual(
      [...cloud.instances.values()].map(({ name }) => name),
      ["another's"],
    );
  });

  it("tells watchers of every change, and goes on after a token", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud"), { minReady: 1 }));
    await untilStates(launcher, "ready");
    const stop = new AbortController();
    const seen: string[] = [];
    let token = "";
    const watch = async (resumeToken: string, signal: AbortSignal) => {
      const stream = launcher.nodes.watchNodes({ filter: "", resumeToken }, { ...callContext, signal });
      for await (const { event, resumeToken: next } of stream) {
        if (next) token = next;
        if (event?.$case === "upserted") seen.push(String(event.value?.state));
        else seen.push(String(event?.$case));
      }
    };
    const first = watch("", stop.signal);
    await until("snapshot", () => seen.includes("bookmark"));
    assert.deepEqual(seen, ["STATE_READY", "bookmark"]);
    stop.abort();
    await first;
    seen.length = 0;
    const request = await ask(launcher, ["large"]);
    await fulfilled(launcher, request);
    const again = new AbortController();
    const second = watch(token, again.signal);
    await until("the changes in between", () => seen.includes("STATE_IN_USE"));
    assert.ok(!seen.includes("STATE_READY"), "what was sent before is not repeated");
    await release(launcher, request);
    await until("the deletion", () => seen.includes("deleted"));
    again.abort();
    await second;
  });
});
