// A short launcher soak, so that it does not rot: see docs/robustness.md for the long one.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WHOLE } from "../harness/soak_config.ts";
import { SoakJudge } from "../harness/soak_judge.ts";
import { soakRound } from "../harness/soak_round.ts";
import { SoakWorld } from "../harness/soak_world.ts";
import { zooKeeperInstalled } from "../harness/zookeeper.ts";

const skip = zooKeeperInstalled ? false : "needs the package zookeeper";
const SEED = 1;
const STORM_MS = 12_000;

describe("three launchers among random faults", { skip }, () => {
  it(`lose nothing, give nothing out twice and come to rest (seed ${SEED})`, async () => {
    const world = await SoakWorld.open(WHOLE);
    const judge = new SoakJudge(world);
    try {
      await soakRound(world, judge, SEED, STORM_MS);
    } finally {
      judge.close();
      await world.close();
    }
    assert.deepEqual(world.wrongs, [], world.events);
    assert.ok((world.counts.get("zuul served") ?? 0) > 0 && (world.counts.get("lease served") ?? 0) > 0);
  });
});
