import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { METADATA } from "../../../lib/provider/contract.ts";
import { FakeProvider } from "../../../lib/provider/fake/fake_provider.ts";
import { TaskGroup } from "../../../lib/std/task_group.ts";
import { manualClock } from "../../../lib/zookeeper/contract/manual_clock.ts";
import { until } from "../../../test/harness/launcher.ts";
import { callContext, simple } from "../../../test/harness/launcher_case.ts";
import { leapingClock } from "../../../test/harness/leaping_clock.ts";
import { launcherCases } from "../../../test/harness/suites.ts";
import type { Environment } from "../environment.ts";
import { BRAKE_WINDOW, Brakes } from "./brake.ts";
import { Remover } from "./remover.ts";

/** Acts upon looks at the provider `cloud`, with what is told and removed. */
function begin({ graceMs = 0 } = {}) {
  const { clock, advance } = manualClock();
  const told: string[] = [];
  const removed: string[] = [];
  const tell = (level: string) => (message: string, fields: Readonly<Record<string, unknown>>) =>
    told.push(
      `${level}: ${message}: ${[fields.provider, fields.thing, fields.reason, fields.error].join(" ").trim()}`,
    );
  const context = { clock, logger: { error: tell("error"), warn: tell("warning") } };
  const metrics = { brake: () => {} };
  const tasks = new TaskGroup((error) => assert.fail(String(error)));
  const environment = { context, brakes: new Brakes(() => {}), metrics, tasks } as unknown as Environment;
  const remover = new Remover(environment, "nodes", graceMs);
  const removeIt = async (thing: string): Promise<void> => {
    removed.push(thing);
  };
  /** Looks, and finds these of ten things wrong. */
  const look = async (things: readonly number[], remove = removeIt) => {
    const findings = things.map((thing) => ({ key: `cloud/${thing}`, remove: () => remove(`${thing}`) }));
    remover.act("cloud", findings, 10);
    await tasks.settle();
  };
  return { look, told, removed, advance: (seconds: number) => advance(seconds * 1000, seconds * 1000) };
}

const MANY = [1, 2, 3, 4, 5, 6];

describe("what a look at a provider finds wrong", () => {
  it("is removed when another look finds it again, the grace time later", async () => {
    const { look, removed, advance } = begin({ graceMs: 30_000 });
    await look([1]);
    advance(29);
    await look([1]);
    assert.deepEqual(removed, []);
    advance(1);
    await look([1]);
    assert.deepEqual(removed, ["1"]);
  });

  it("is not removed when a look in between has not found it", async () => {
    const { look, removed, advance } = begin({ graceMs: 30_000 });
    for (const things of [[1], [], [1]]) {
      await look(things);
      advance(30);
    }
    assert.deepEqual(removed, []);
  });

  it("does not keep others from being removed when it cannot be, and is told", async () => {
    const { look, told, removed } = begin();
    const remove = async (thing: string) => {
      if (thing === "1") throw new Error("503");
      removed.push(thing);
    };
    await look([1, 2], remove);
    await look([1, 2], remove);
    assert.deepEqual(removed, ["2"]);
    assert.deepEqual(told, ["warning: not removed, will be tried again: cloud cloud/1  503"]);
  });

  it("raises one alarm when it is too much, and nothing of it is removed", async () => {
    const { look, told, removed } = begin();
    for (let looks = 0; looks < 3; looks += 1) await look(MANY);
    assert.equal(told.length, 1, told.join("\n"));
    assert.match(told[0] ?? "", /^error: the brake is on: cloud .*6 of 10 \(60 %, the limit is 40 %\)/);
    assert.deepEqual(removed, []);
  });

  it("is told once to be over when it was too much and nothing has looked wrong for long", async () => {
    const { look, told, advance } = begin();
    await look(MANY);
    advance(BRAKE_WINDOW);
    for (let looks = 0; looks < 3; looks += 1) await look([]);
    assert.deepEqual(told.slice(1), ["warning: the brake is off: cloud"]);
  });
});

describe("a launcher", () => {
  const cases = launcherCases();

  it("removes nothing on the word of two looks of which one follows the other at once", async () => {
    const one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const clock = leapingClock();
    cloud.add("np0000000099", { [METADATA.provider]: "cloud", [METADATA.node]: "0000000099" }, "running");
    const list = cloud.listInstances.bind(cloud);
    let looks = 0;
    cloud.listInstances = (signal) => {
      looks += 1;
      return list(signal);
    };
    const launcher = await one.launcher(simple(cloud), { cleanupIntervalMs: 60_000, clock });
    await until("three looks", async () => {
      // Whoever releases the brake has the launcher look at once.
      await launcher.providers.releaseBrake({ name: "providers/cloud" }, callContext);
      return looks > 2;
    });
    assert.equal(cloud.instances.size, 1);
    clock.leap(60_000);
    await until("it is gone", () => cloud.instances.size === 0);
  });
});
