// One server of an ensemble dies under launchers that are connected to it, and work: their sessions move, no client
// notices, and nothing is begun anew.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { LONG_SESSION_MS, OutageWorld } from "../harness/outage_world.ts";
import { startEnsemble, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";

const skip = zooKeeperInstalled ? false : "needs the package zookeeper";

describe("launchers on an ensemble", { skip }, () => {
  let servers: ZooKeeperServer[];
  let world: OutageWorld;
  beforeEach(async () => {
    servers = await startEnsemble(3, { longestSessionMs: LONG_SESSION_MS });
    world = await OutageWorld.open(servers);
  });
  afterEach(async () => {
    await world.close();
    await Promise.all(servers.map((server) => server.close()));
  });

  it("serve their clients through the death of each server in turn", async () => {
    const leased = await Promise.all([0, 1].map((first) => world.take(20, first)));
    const churning = world.churn(4, 100);
    churning.catch(() => {});
    for (const server of servers) {
      await server.stop({ hard: true });
      await world.served();
      await server.restart();
    }
    world.rest();
    assert.ok((await churning) > 0);
    assert.deepEqual(
      leased.map(({ ended }) => ended),
      [null, null],
    );
    const { made } = world.cloud;
    assert.equal(new Set(made).size, made.length, `a launch was begun anew: ${made}`);
    for (const holder of leased) await holder.release();
    await world.settled();
    assert.deepEqual(world.cloud.wrongs, []);
    assert.doesNotMatch(world.log, /zookeeper session lost/);
  });
});
