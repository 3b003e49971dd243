// The launcher on a real ZooKeeper with a provider in memory, for a client that behaves as Zuul does.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { FakeProvider } from "../../test/harness/fake_provider.ts";
import { until } from "../../test/harness/launcher.ts";
import {
  callContext,
  idOf,
  type LauncherCase,
  look,
  simple,
  statesOf,
  untilStates,
} from "../../test/harness/launcher_case.ts";
import { launcherCases } from "../../test/harness/suites.ts";
import { TreeHand } from "../../test/harness/tree_hand.ts";

const run = promisify(execFile);
const CLIENT = fileURLToPath(new URL("../../test/harness/zuul_client.py", import.meta.url));

describe("launcher: Zuul's clients", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  const zuul = (...args: string[]) =>
    run("/usr/bin/python3", [CLIENT, one.hosts, ...args], { timeout: 30_000 });

  it("serves a client that behaves as Zuul does", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(simple(cloud, { minReady: 1 }));
    await untilStates(launcher, "ready");
    const { stdout } = await zuul("cycle", "large", "small", "small");
    const report = JSON.parse(stdout);
    assert.deepEqual(report.types, [["large"], ["small"], ["small"]]);
    assert.deepEqual(report.states, ["ready", "ready", "ready"]);
    await untilStates(launcher, "ready");
    const session = await one.session();
    assert.deepEqual(await session.children("/nodepool/requests"), []);
    assert.equal(cloud.instances.size, 1);
  });

  it("needs at most 20 transactions for a node on demand beside Zuul, its own session counted", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud")));
    const spent = await one.transactionsOf(async () => {
      await zuul("cycle", "small");
      await untilStates(launcher);
    });
    assert.ok(spent <= 20, `${spent} transactions`);
  });

  it("serves a request first that Zuul has put before another one while both wait", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud"), { maxServers: 1 }));
    const hand = await TreeHand.open(one);
    const ask = (relativePriority: number) => hand.ask({ nodeTypes: ["small"], relativePriority });
    const first = await ask(0);
    await hand.untilRequest(first, "fulfilled");
    const [second, third] = [await ask(1), await ask(2)];
    await until("both wait", async () => {
      const looks = [second, third].map((id) => look(launcher, `nodeRequests/${id}`));
      return (await Promise.all(looks)).every(({ request }) => /max-servers/.test(request.reason));
    });
    await zuul("revise", third, "0");
    await hand.withdraw(first);
    await hand.untilRequest(third, "fulfilled");
    await hand.untilRequest(second, "requested");
  });

  it("fails a Zuul request for a label that nobody offers, with Zuul's keys intact", async () => {
    one = await cases.begin("cloud");
    await one.launcher(simple(new FakeProvider("cloud")));
    const report = JSON.parse((await zuul("request", "nosuch")).stdout);
    assert.equal(report.state, "failed");
    assert.equal(report.requestor_data.build_set_uuid, "abc");
    assert.match(report.reason, /no pool offers 'nosuch'; offered are: large, small/);
  });

  it("declines a Zuul request whose image is not there yet", async () => {
    one = await cases.begin();
    await one.launcher(simple(new FakeProvider("cloud")));
    const report = JSON.parse((await zuul("request", "small")).stdout);
    assert.equal(report.state, "failed");
    assert.equal(report.declined_by.length, 1);
    assert.match(report.reason, /image 'image' of label 'small' has no ready upload/);
  });

  it("keeps a node that Zuul returns when somebody wished so while it was in use", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud")));
    const client = zuul("hold-in-use", "small");
    await until("in use", () => statesOf(launcher).join() === "in-use");
    const [node] = [...launcher.view.nodes()];
    const name = `nodes/${node?.id}`;
    await launcher.nodes.holdNode({ name, reason: "look at it", expireSeconds: 0n }, callContext);
    await client;
    await untilStates(launcher, "hold");
    assert.equal(launcher.view.node(idOf(name))?.record?.comment, "look at it");
    await launcher.nodes.deleteNode({ name }, callContext);
    await untilStates(launcher);
  });
});
