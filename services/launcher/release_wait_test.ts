// A release that waits until the nodes are gone, on a real ZooKeeper with a provider in memory.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { durationOf } from "../../lib/rpc/duration.ts";
import { NodeRequest } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { FakeProvider } from "../../test/harness/fake_provider.ts";
import { type TestLauncher, until } from "../../test/harness/launcher.ts";
import {
  ask,
  callContext,
  fulfilled,
  idOf,
  type LauncherCase,
  release,
  simple,
  statesOf,
} from "../../test/harness/launcher_case.ts";
import { launcherCases } from "../../test/harness/suites.ts";

/** A provider whose deletions wait until they are let go on. */
function withSlowDeletions() {
  const driver = new FakeProvider("cloud");
  const { promise, resolve } = Promise.withResolvers<void>();
  const remove = driver.deleteInstance.bind(driver);
  driver.deleteInstance = async (externalId, signal) => {
    await promise;
    await remove(externalId, signal);
  };
  return { driver, letGo: resolve };
}

async function hold({ nodes }: TestLauncher, name: string): Promise<void> {
  await nodes.holdNode({ name, reason: "a look", expireSeconds: 0n }, callContext);
}

describe("launcher: a release that waits for its nodes to go", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  /** A request with these many nodes. */
  async function taken(driver: FakeProvider, count = 1) {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(driver));
    const name = await ask(
      launcher,
      Array.from({ length: count }, () => "small"),
    );
    const nodes = await fulfilled(launcher, name);
    return { launcher, name, nodes: nodes.map((node) => node.name) };
  }

  it("is answered when they are gone", async () => {
    const { launcher, name } = await taken(new FakeProvider("cloud"), 2);
    assert.deepEqual(await release(launcher, name, 60), []);
    assert.deepEqual(statesOf(launcher), []);
  });

  it("is answered with those that are left when its time is over, and goes on waiting when it is repeated", async () => {
    const { driver, letGo } = withSlowDeletions();
    const { launcher, name, nodes } = await taken(driver, 2);
    assert.deepEqual(await release(launcher, name, 0.2), nodes);
    const repeated = release(launcher, name, 60);
    letGo();
    assert.deepEqual(await repeated, []);
    assert.deepEqual(statesOf(launcher), []);
  });

  it("says which nodes are on their way out when it does not wait", async () => {
    const { driver, letGo } = withSlowDeletions();
    const { launcher, name, nodes } = await taken(driver);
    assert.deepEqual(await release(launcher, name), nodes);
    letGo();
  });

  it("waits for none that is held", async () => {
    const { launcher, name, nodes } = await taken(new FakeProvider("cloud"), 2);
    await hold(launcher, nodes[0] ?? "");
    assert.deepEqual(await release(launcher, name, 60), []);
    assert.deepEqual(
      [...launcher.view.nodes()].map(({ id, record }) => [id, record?.state]),
      [[idOf(nodes[0]), "hold"]],
    );
  });

  it("waits for what was launched for a request that is withdrawn", async () => {
    const driver = new FakeProvider("cloud");
    const gate = Promise.withResolvers<void>();
    driver.weather.gate = gate.promise;
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(driver));
    const name = await ask(launcher, ["small"]);
    await until("its launch", () => statesOf(launcher).includes("building"));
    const released = release(launcher, name, 60);
    gate.resolve();
    assert.deepEqual(await released, []);
    assert.deepEqual([statesOf(launcher), driver.instances.size], [[], 0]);
  });

  it("waits at any launcher, also for what another one has handed over just now", async () => {
    const driver = new FakeProvider("cloud");
    one = await cases.begin("cloud");
    const launchers = [await one.launcher(simple(driver)), await one.launcher(simple(driver))] as const;
    for (let turn = 0; turn < 10; turn += 1) {
      const [here, there] = turn % 2 === 0 ? launchers : [launchers[1], launchers[0]];
      const request = NodeRequest.fromPartial({ labels: ["small"] });
      const wish = { request, requestId: "", leaseDuration: undefined, waitDuration: durationOf(60) };
      const { request: made } = await here.requests.createRequest(wish, callContext);
      assert.equal(made?.state, "STATE_FULFILLED");
      assert.deepEqual(await release(there, made.name ?? "", 60), []);
      assert.equal(driver.instances.size, 0);
    }
  });

  it("ends at once where the request is gone and nothing of it is left", async () => {
    const { launcher, name } = await taken(new FakeProvider("cloud"));
    await release(launcher, name, 60);
    assert.deepEqual(await release(launcher, name, 60), []);
  });

  it("is refused when the time is none, and nothing is released", async () => {
    const { launcher, name } = await taken(new FakeProvider("cloud"));
    await assert.rejects(release(launcher, name, -1), /wait_duration: -1 s: expected 0 s to 86400 s/);
    assert.deepEqual(statesOf(launcher), ["in-use"]);
  });
});
