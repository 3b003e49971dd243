// Whatever was asked for and whatever went wrong: without demand there is what min-ready says, and nothing happens.
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { FakeProvider } from "../harness/fake_provider.ts";
import { type Setting, type TestLauncher, until } from "../harness/launcher.ts";
import { ask, idOf, type LauncherCase, look, release } from "../harness/launcher_case.ts";
import { leapingClock } from "../harness/leaping_clock.ts";
import { launcherCases } from "../harness/suites.ts";
import { Random } from "../simulation/random.ts";

const SEEDS = (process.env.NODEPOOL_CONVERGENCE_SEEDS ?? "1,2,3").split(",").map(Number);
const KEPT = { small: 2, large: 1 };
const LAUNCHERS = 3;
const CLIENTS = 12;
/** Longer than any pause before something is tried again, and for how long one looks whether anything is done then. */
const LEAP_MS = 65_000;
const QUIET_MS = 500;
const LEAPS = 3;

/** Asks, and gives back or withdraws, whatever became of it. */
async function useSome(random: Random, launchers: readonly TestLauncher[]): Promise<void> {
  for (let count = 1 + random.below(3); count > 0; count -= 1) {
    const labels = Array.from({ length: 1 + random.below(2) }, () => random.pick(Object.keys(KEPT)));
    const name = await ask(random.pick(launchers), labels, { reuse: random.chance(0.7), leaseSeconds: 600 });
    if (random.chance(0.6)) {
      await until(
        `${name} is decided`,
        async () => /FULFILLED|FAILED/.test(String((await look(random.pick(launchers), name)).request.state)),
        60_000,
      );
    }
    await release(random.pick(launchers), name);
  }
}

describe("launchers without demand", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  for (const seed of SEEDS) {
    it(`have exactly min-ready nodes, and launch and delete nothing any more (seed ${seed})`, async () => {
      one = await cases.begin("cloud");
      const random = new Random(seed);
      const cloud = new FakeProvider("cloud");
      Object.assign(cloud.weather, {
        createMs: 20,
        deleteMs: 30,
        storm: { rate: 0.1, random: random.next },
      });
      const setting: Setting = {
        labels: { small: { minReady: KEPT.small }, large: { minReady: KEPT.large } },
        providers: [{ driver: cloud, pools: [{ name: "main", offers: Object.keys(KEPT), maxServers: 9 }] }],
      };
      const clock = leapingClock();
      const options = { cleanupIntervalMs: 500, clock };
      const launchers = await Promise.all(
        Array.from({ length: LAUNCHERS }, (_, index) =>
          one.launcher(setting, { ...options, slowWire: index > 0 }),
        ),
      );
      await Promise.all(Array.from({ length: CLIENTS }, () => useSome(random, launchers)));
      cloud.weather.storm = null;
      const [launcher] = launchers;
      assert.ok(launcher);
      const now = () => {
        const nodes = [...launcher.view.nodes()].map(
          ({ id, record }) => `${id} ${record?.type.join()} ${record?.state} ${record?.allocatedTo}`,
        );
        return { nodes: nodes.sort(), calls: cloud.calls.length, made: cloud.cloud.made.length };
      };
      const isKept = () =>
        [...launcher.view.requests()].length === 0 &&
        Object.entries(KEPT).every(([label, count]) => {
          const some = [...launcher.view.nodes()].filter(({ record }) => record?.type.includes(label));
          return some.length === count && some.every(({ record }) => record?.state === "ready");
        });
      await until("exactly what min-ready says", isKept, 60_000).catch((error: Error) => {
        throw new Error(`${error.message}: ${JSON.stringify(now())}`);
      });
      const before = now();
      for (let leaps = 0; leaps < LEAPS; leaps += 1) {
        clock.leap(LEAP_MS);
        await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
        assert.deepEqual(now(), before);
      }
      const known = [...cloud.instances.values()].map(({ name }) => name).sort();
      assert.deepEqual(known, [...launcher.view.nodes()].map(({ id }) => `np${idOf(id)}`).sort());
    });
  }
});
