// Many hosts of which some hang: they delay no other.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { startFleet } from "../harness/host_fleet.ts";
import { HostStage } from "../harness/host_stage.ts";
import { recordsIn } from "../harness/hosts.ts";
import { until } from "../harness/launcher.ts";
import { ask, fulfilled } from "../harness/launcher_case.ts";

const PLAN = { hosts: 52, hanging: 20, slots: 4, timeout: 3600 };

describe("a fleet of hosts of which some hang", () => {
  let stage: HostStage;
  before(async () => {
    stage = await HostStage.open();
  });
  after(async () => {
    await stage.end();
    await stage.close();
  });

  it("is recorded and used without waiting for them", async () => {
    const { good, hanging } = await startFleet(stage.servers, PLAN);
    const launcher = await stage.begin([...hanging, ...good]);
    const count = good.length * PLAN.slots;
    await until(`${count} slots`, () => recordsIn(launcher).length === count, 120_000);
    const records = recordsIn(launcher);
    assert.ok(records.every(({ state }) => state === "ready"));
    const slots = new Set(records.map(({ hostname, slot }) => `${hostname} ${slot}`));
    assert.equal(slots.size, count, "each slot once");
    const names = await Promise.all(Array.from({ length: 8 }, async () => await ask(launcher, ["small"])));
    for (const name of names) await fulfilled(launcher, name);
  });
});
