import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  encodeMemory,
  jobOf,
  type Memory,
  memoryOf,
  merged,
  NO_MEMORY,
  QUARANTINE,
  quarantineOf,
  SUSPICION_AGE,
  withSuspicion,
} from "./memory.ts";

const NOW = 100_000;
const remember = (...runs: readonly (readonly [number, string])[]): Memory =>
  runs.reduce((memory, [time, job]) => withSuspicion(memory, { time, job, reason: "broken" }), NO_MEMORY);

describe("the rule by which a host loses trust", () => {
  it("takes suspicious runs of two different jobs", () => {
    assert.equal(quarantineOf([remember([NOW, "one"])], NOW), null);
    assert.equal(
      quarantineOf([remember([NOW - 5, "one"], [NOW, "one"])], NOW),
      null,
      "one job may be to blame",
    );
    const found = quarantineOf([remember([NOW - 5, "one"], [NOW, "two"])], NOW);
    assert.deepEqual(found, {
      until: NOW + QUARANTINE,
      reason: "suspicious runs of 2 jobs (one: broken; two: broken)",
    });
  });

  it("counts all slots of the host together", () => {
    assert.notEqual(quarantineOf([remember([NOW, "one"]), remember([NOW, "two"])], NOW), null);
  });

  it("forgets what is old, and what was before the host was trusted again", () => {
    const old = remember([NOW - SUSPICION_AGE, "one"], [NOW, "two"]);
    assert.equal(quarantineOf([old], NOW), null);
    const memories = [remember([NOW - 9, "one"], [NOW - 8, "two"]), { ...NO_MEMORY, trustedSince: NOW - 7 }];
    assert.equal(quarantineOf(memories, NOW), null);
    assert.deepEqual(merged(memories, NOW), { suspicions: [], trustedSince: NOW - 7 });
  });

  it("does not count times that are none, and bears clocks that differ a little", () => {
    const later = (seconds: number) => remember([NOW + seconds, "one"], [NOW + seconds, "two"]);
    assert.notEqual(quarantineOf([later(30)], NOW), null);
    for (const odd of [3600, 1.7e15, Infinity]) assert.equal(quarantineOf([later(odd)], NOW), null, `${odd}`);
    const trusted = { ...NO_MEMORY, trustedSince: 1e300 };
    assert.notEqual(quarantineOf([remember([NOW - 9, "one"], [NOW - 8, "two"]), trusted], NOW), null);
    assert.deepEqual(merged([trusted], NOW), NO_MEMORY);
  });
});

describe("what a host's record remembers", () => {
  it("is read as it was written, and what others wrote is nothing", () => {
    const memory = { ...remember([NOW, "one"]), trustedSince: NOW - 9 };
    assert.deepEqual(memoryOf({ driverData: encodeMemory(memory) }), memory);
    assert.equal(encodeMemory(NO_MEMORY), null);
    const trusted = { ...NO_MEMORY, trustedSince: NOW };
    assert.deepEqual(memoryOf({ driverData: encodeMemory(trusted) }), trusted);
    const run = { time: NOW, job: "one", reason: "broken" };
    const runs = [null, "text", { ...run, time: "x" }, { ...run, job: 5 }, { ...run, reason: null }];
    const odd = [null, "text", 5, {}, { suspicions: "no" }, { suspicions: runs }, { trusted_since: "x" }];
    for (const driverData of odd) assert.deepEqual(memoryOf({ driverData }), NO_MEMORY);
  });

  it("has the latest suspicions only", () => {
    const runs = Array.from({ length: 20 }, (_none, index) => [NOW + index, "one"] as const);
    const times = remember(...runs).suspicions.map(({ time }) => time);
    assert.deepEqual(
      times,
      [12, 13, 14, 15, 16, 17, 18, 19].map((index) => NOW + index),
    );
  });

  it("names a job by who asked and the project, or else the labels", () => {
    const record = { requestor: "zuul", tenantName: "acme", userData: null, type: ["small", "large"] };
    assert.equal(jobOf(record), "zuul acme small,large");
    assert.equal(jobOf({ ...record, userData: { project_name: "site" }, tenantName: null }), "zuul site");
    assert.equal(
      jobOf({ ...record, userData: { project_name: 5 }, requestor: null }),
      "somebody acme small,large",
    );
  });
});
