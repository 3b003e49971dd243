// Labels that stand on labels which stand on others, or on themselves, on a real ZooKeeper.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sharedOf, shareOf } from "../../lib/model/shared_node.ts";
import { FakeProvider } from "../../test/harness/fake_provider.ts";
import { until } from "../../test/harness/launcher.ts";
import { ask, fulfilled, type LauncherCase, look } from "../../test/harness/launcher_case.ts";
import { backingOf, give, recordOf, shared, take } from "../../test/harness/metastatic.ts";
import { launcherCases } from "../../test/harness/suites.ts";

describe("launcher: labels that stand on others", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  it("shares nodes that are themselves shares, and gives back what is empty from the top down", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(shared(cloud, { half: {}, share: { "backing-label": "half" } }));
    const taken = [];
    for (let count = 0; count < 4; count += 1) taken.push(await take(launcher));
    const halves = new Set(taken.map(({ backing }) => backing));
    assert.equal(halves.size, 2);
    assert.equal(new Set(taken.map(({ backing, slot }) => `${backing} ${slot}`)).size, 4);
    const places = [...halves].map((half) => shareOf(recordOf(launcher, half)));
    assert.deepEqual(places.map((place) => place?.slot).sort(), [0, 1]);
    assert.deepEqual([...new Set(places.map((place) => place?.backingNode))], backingOf(launcher));
    assert.equal(cloud.instances.size, 1);
    for (const node of taken) await give(launcher, node);
    await until("nothing is left", () => [...launcher.view.nodes()].length === 0);
    assert.equal(cloud.instances.size, 0);
  });

  it("hands out nothing that stands, by whatever is between, on a machine that is gone", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const setting = shared(cloud, {
      half: { "grace-time": 3600 },
      share: { "backing-label": "half", "grace-time": 3600 },
    });
    const launcher = await one.launcher(setting, { cleanupIntervalMs: 200 });
    const first = await take(launcher);
    const [machine = ""] = backingOf(launcher);
    cloud.instances.delete(String(recordOf(launcher, machine).externalId));
    await until("the half takes no further nodes", () => sharedOf(recordOf(launcher, first.backing))?.failed);
    const second = await take(launcher);
    assert.notEqual(second.backing, first.backing);
    await give(launcher, first);
    await until("the half is gone", () => launcher.view.node(first.backing) === undefined);
    await until("what was beneath it is gone", () => launcher.view.node(machine) === undefined);
  });

  for (const [way, labels] of [
    ["loop -> loop", { loop: { "backing-label": "loop" } }],
    ["loop -> ring -> loop", { loop: { "backing-label": "ring" }, ring: { "backing-label": "loop" } }],
  ] as const) {
    it(`fails a request whose label stands on itself (${way}), and serves the others`, async () => {
      one = await cases.begin("cloud");
      const setting = shared(new FakeProvider("cloud"), { ...labels, share: {} }, { launchRetries: 1 });
      const launcher = await one.launcher(setting);
      const request = await ask(launcher, ["loop"]);
      const served = await fulfilled(launcher, await ask(launcher, ["share"]));
      assert.equal(served.length, 1);
      const reason = await until("the request failed", async () => {
        const { request: found } = await look(launcher, request);
        return found.state === "STATE_FAILED" ? found.reason : null;
      });
      assert.match(
        reason,
        new RegExp(`label loop stands on itself by backing-label \\(${way}\\); name another backing-label`),
      );
      await until("only what is served is left", () => [...launcher.view.nodes()].length === 2);
      await until("no request but the tester's is left", () =>
        [...launcher.view.requests()].every(({ record }) => record?.requestor === "tester"),
      );
    });
  }
});
