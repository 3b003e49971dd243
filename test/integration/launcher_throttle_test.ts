// A cloud that takes so many calls a second, and more launches than that.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withDeadlines, withThrottling } from "../../lib/provider/decorators.ts";
import { FakeProvider } from "../../lib/provider/fake/fake_provider.ts";
import { systemClock } from "../../lib/std/clock.ts";
import { until } from "../harness/launcher.ts";
import { ask, fulfilled } from "../harness/launcher_case.ts";
import { leapingClock } from "../harness/leaping_clock.ts";
import { launcherCases } from "../harness/suites.ts";
import { zooKeeperInstalled } from "../harness/zookeeper.ts";

const skip = zooKeeperInstalled ? false : "needs Debian's package zookeeper";
const CALLS_PER_SECOND = 20;
const REQUESTS = 30;

describe("a launcher at a cloud that refuses calls for being too many", { skip }, () => {
  const cases = launcherCases();

  for (const retryAfterMs of [null, 1500]) {
    const word = retryAfterMs === null ? "without" : "with";
    it(`${word} Retry-After serves every request of two pools with the first attempt`, async (test) => {
      const one = await cases.begin("cloud");
      const driver = new FakeProvider("cloud");
      Object.assign(driver.weather, { callsPerSecond: CALLS_PER_SECOND, retryAfterMs });
      const launcher = await one.launcher({
        labels: { small: {}, large: {} },
        providers: [
          {
            driver: withThrottling(driver, systemClock),
            pools: [
              { name: "first", offers: ["small"] },
              { name: "second", offers: ["large"] },
            ],
            config: { launchRetries: 1, launchTimeout: 120 },
          },
        ],
      });
      const began = Date.now();
      const labels = Array.from({ length: REQUESTS }, (_, index) => (index % 2 === 0 ? "small" : "large"));
      const names = await Promise.all(labels.map((label) => ask(launcher, [label], { leaseSeconds: 300 })));
      const nodes = await Promise.all(names.map((name) => fulfilled(launcher, name, 120_000)));
      test.diagnostic(`${driver.calls.length} creates in ${Date.now() - began} ms`);
      assert.equal(nodes.flat().length, REQUESTS);
      assert.equal(driver.cloud.made.length, REQUESTS);
    });
  }

  it("does not count against launch-timeout how long the cloud makes calls wait", async () => {
    const one = await cases.begin("cloud");
    const driver = new FakeProvider("cloud");
    const clock = leapingClock();
    const [launchTimeout, retryAfterMs] = [300, 400_000];
    const deadlines = {
      createInstance: launchTimeout * 1000,
      uploadImage: 60_000,
      start: 60_000,
      other: 60_000,
    };
    const setting = {
      labels: { small: {} },
      providers: [
        {
          driver: withDeadlines(withThrottling(driver, clock), deadlines, clock),
          pools: [{ name: "first", offers: ["small"] }],
          config: { launchRetries: 1, launchTimeout },
        },
      ],
    };
    const launcher = await one.launcher(setting, { clock });
    const wish = { leaseSeconds: 3600 };
    // By then the cloud has been asked for all that it is asked for at the start.
    await fulfilled(launcher, await ask(launcher, ["small"], wish));
    Object.assign(driver.weather, { refuseCalls: 1, retryAfterMs });
    const name = await ask(launcher, ["small"], wish);
    await until("the cloud has refused it", () => driver.weather.refuseCalls === 0);
    clock.leap(launchTimeout * 1000 + 1000);
    // Whatever is due by now comes to pass before this does.
    await systemClock.sleep(100);
    clock.leap(retryAfterMs - launchTimeout * 1000);
    assert.equal((await fulfilled(launcher, name)).length, 1);
    assert.equal(driver.cloud.made.length, 2);
  });
});
