// A request in hand for which the cloud has no room, though no limit that it tells of says so.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeProvider } from "../harness/fake_provider.ts";
import { type TestLauncher, until } from "../harness/launcher.ts";
import { ask, fulfilled, idOf, type LauncherCase, look, release } from "../harness/launcher_case.ts";
import { launcherCases } from "../harness/suites.ts";
import { TreeHand } from "../harness/tree_hand.ts";

/** A request that a launcher has begun to serve, and for which the cloud has no room. */
async function waitsInHand(launcher: TestLauncher): Promise<string> {
  const name = await ask(launcher, ["small"]);
  await until("it waits in hand", async () => {
    const { request } = await look(launcher, name);
    return request.state === "STATE_PENDING" && /want of quota/.test(request.reason);
  });
  return name;
}

describe("a request in hand whose launch the cloud has refused", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  /** A cloud that takes one instance and does not say so. */
  const begin = async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    cloud.weather.quota = 1;
    const pools = [{ name: "main", offers: ["small"], ignoreProviderQuota: true }];
    const launcher = await one.launcher({ labels: { small: {} }, providers: [{ driver: cloud, pools }] });
    return { cloud, launcher };
  };

  it("waits with what it has, and goes on when there is room", async () => {
    const { cloud, launcher } = await begin();
    const first = await ask(launcher, ["small"]);
    await fulfilled(launcher, first);
    const next = await waitsInHand(launcher);
    await release(launcher, first);
    const [node] = await fulfilled(launcher, next);
    assert.equal(cloud.instances.size, 1);
    assert.equal([...cloud.instances.values()][0]?.name, `np${idOf(node?.name)}`);
  });

  it("has the cloud asked for its limits at once", async () => {
    const { cloud, launcher } = await begin();
    const limits = cloud.limits.bind(cloud);
    await fulfilled(launcher, await ask(launcher, ["small"]));
    let asked = 0;
    cloud.limits = (signal) => {
      asked += 1;
      return limits(signal);
    };
    await waitsInHand(launcher);
    // Without a refusal it is asked once a minute.
    await until("it is asked", () => asked > 0, 30_000);
  });

  it("takes a node that somebody else leaves ready", async () => {
    const { cloud, launcher } = await begin();
    const zuul = await TreeHand.open(one);
    const first = await zuul.ask({ nodeTypes: ["small"] });
    await zuul.untilRequest(first, "fulfilled");
    const next = await waitsInHand(launcher);
    await zuul.withdraw(first);
    const [node] = await fulfilled(launcher, next);
    assert.equal(idOf(node?.name), "0000000000");
    assert.equal(cloud.cloud.made.length, 1, "none was launched for it");
  });
});
