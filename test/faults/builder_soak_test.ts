// A short builder soak, so that it does not rot: see docs/testing.md for the long one.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BUSY } from "../harness/builder_soak_config.ts";
import { BuilderSoakJudge } from "../harness/builder_soak_judge.ts";
import { builderSoakRound } from "../harness/builder_soak_round.ts";
import { BuilderSoakWorld } from "../harness/builder_soak_world.ts";
import { zooKeeperInstalled } from "../harness/zookeeper.ts";

const skip = zooKeeperInstalled ? false : "needs the package zookeeper";
const SEED = 1;
const STORM_MS = 8000;
const STRIKES = 1;

describe("three builders among random faults", { skip }, () => {
  it(`lose no good image and come to rest with nothing left over (seed ${SEED})`, async () => {
    const world = await BuilderSoakWorld.open(BUSY);
    const judge = new BuilderSoakJudge(world);
    try {
      await builderSoakRound(world, SEED, STORM_MS, STRIKES);
    } finally {
      judge.close();
      await world.close();
    }
    assert.deepEqual(world.wrongs, [], world.events);
    assert.ok((world.counts.get("build ready") ?? 0) > 0 && (world.counts.get("upload ready") ?? 0) > 0);
  });
});
