// What sessions, locks, views and waits leave behind: nothing. `npm run soak -- zookeeper-churn` does it for an hour.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Churn } from "../harness/churn.ts";
import { startZooKeeper, zooKeeperInstalled } from "../harness/zookeeper.ts";

const skip = zooKeeperInstalled ? false : "needs the package zookeeper";
const LAPS = 5;
const LIVES = 15;

describe("sessions, locks, views and waits that come and go", { skip }, () => {
  it("leave no znode, watch, listener or memory behind", async () => {
    const server = await startZooKeeper({ tickTime: 200 });
    const churn = new Churn(server);
    try {
      await churn.start();
      const first = await churn.lap(LIVES);
      assert.deepEqual({ ...first, ephemerals: 0, abortListeners: 0 }, first);
      let last = first;
      for (let lap = 1; lap < LAPS; lap += 1) {
        last = await churn.lap(LIVES);
        assert.deepEqual({ ...last, heapMb: first.heapMb }, first);
      }
      assert.ok(last.heapMb < first.heapMb + 10, `memory grew from ${first.heapMb} to ${last.heapMb} MB`);
    } finally {
      await churn.close();
      await server.close();
    }
  });
});
