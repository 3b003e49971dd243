// A launcher that says why: of requests, nodes and labels, with the numbers of its decision.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeProvider } from "../harness/fake_provider.ts";
import { type TestLauncher, until } from "../harness/launcher.ts";
import {
  ask,
  callContext,
  fulfilled,
  idOf,
  type LauncherCase,
  simple,
  untilStates,
} from "../harness/launcher_case.ts";
import { launcherCases } from "../harness/suites.ts";

const explain = (launcher: TestLauncher, name: string) => launcher.requests.explain({ name }, callContext);

describe("explain", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  it("tells the rule in the way with its numbers, the place in the queue and the remedy", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud"), { maxServers: 1 }));
    const served = await ask(launcher, ["small"]);
    const [node] = await fulfilled(launcher, served);
    const before = await ask(launcher, ["small"], { priority: 100 });
    const waiting = await ask(launcher, ["large"]);
    const explained = await until("an explanation", async () => {
      const found = await explain(launcher, waiting);
      return found.pools?.[0]?.verdict === "VERDICT_WAITS" ? found : null;
    });
    const reason = "cloud/main: max-servers is 1, in use 1, needed 1";
    assert.equal(explained.summary, reason);
    assert.equal(explained.requestsBefore, 1);
    assert.deepEqual(explained.firstBefore, [before]);
    assert.deepEqual(explained.pools, [
      {
        provider: "cloud",
        pool: "main",
        verdict: "VERDICT_WAITS",
        rule: "pool-limit",
        reason,
        remedy: "nodes of the pool have to go (released, deleted, unheld), or its limit be raised",
      },
    ]);
    assert.equal((await explain(launcher, served)).summary, `it has its nodes: ${idOf(node?.name)}`);
    const ofNode = await explain(launcher, node?.name ?? "");
    assert.equal(ofNode.summary, "it is in use");
    assert.ok(ofNode.facts?.some((fact) => fact === `the lease of request ${idOf(served)} holds it`));
    const ofLabel = await explain(launcher, "labels/large");
    assert.equal(ofLabel.pools?.[0]?.reason, reason);
    assert.deepEqual(ofLabel.facts, ["0 ready, 0 on their way, min-ready is 0"]);
  });

  it("tells why a label has less than min-ready", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(simple(cloud, { maxServers: 1, minReady: 2 }));
    await untilStates(launcher, "ready");
    const { summary, facts } = await until("the second is short", async () => {
      const found = await explain(launcher, "labels/small");
      return found.facts?.[0]?.startsWith("1 ready") ? found : null;
    });
    assert.equal(summary, "cloud/main: max-servers is 1, in use 1, needed 1");
    assert.deepEqual(facts, ["1 ready, 0 on their way, min-ready is 2"]);
  });

  it("tells that a label waits after its node could not be had, and asks anew then", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    cloud.weather.failCreates = 1000;
    const setting = simple(cloud, { minReady: 2, launchRetries: 1 });
    const launchers = [await one.launcher(setting), await one.launcher(setting)];
    const wait = await until("a setback", async () => {
      const found = await Promise.all(launchers.map((launcher) => explain(launcher, "labels/small")));
      return found.map(({ summary }) => summary ?? "").find((summary) => summary.includes("failed"));
    });
    assert.match(
      wait,
      /^the last one failed \(cloud\/main: .*out of order.*\); the next is asked for at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
    );
    cloud.weather.failCreates = 0;
    const [launcher] = launchers;
    assert.ok(launcher);
    await untilStates(launcher, "ready", "ready");
    assert.equal((await explain(launcher, "labels/small")).summary, "it has what min-ready asks for");
  });

  it("refuses what it does not know", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud")));
    await assert.rejects(explain(launcher, "labels/nosuch"), /NOT_FOUND/);
    await assert.rejects(
      explain(launcher, "labels/small/nosuch"),
      /NOT_FOUND.*'labels\/small\/nosuch'; known labels: large, small/,
    );
    await assert.rejects(explain(launcher, "labels"), /INVALID_ARGUMENT/);
    await assert.rejects(explain(launcher, "nodes/0000000099"), /NOT_FOUND/);
    await assert.rejects(explain(launcher, "weather/today"), /INVALID_ARGUMENT/);
  });
});
