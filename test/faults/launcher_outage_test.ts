// ZooKeeper goes away under launchers that work, for less and for longer than their sessions live, dead or hung: no
// instance in use is deleted, nothing is lost, left over or launched anew, leases with an open stream last, and service
// goes on soon after.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { LONG_SESSION_MS, OutageWorld, SESSION_TIMEOUT_MS } from "../harness/outage_world.ts";
import { TcpProxy } from "../harness/tcp_proxy.ts";
import { startZooKeeper, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";

const skip = zooKeeperInstalled ? false : "needs the package zookeeper";
/** Real ones are below two seconds; this machine may be busy. */
const RESUMED_MS = 15_000;
const [SHORT_MS, LONG_MS] = [SESSION_TIMEOUT_MS / 4, SESSION_TIMEOUT_MS * 3];
/** Shorter than the long outage: a lease that nobody renews would end in it. */
const LEASE_SECONDS = 4;
/** Two thirds of it are left when the connection is lost, and the watcher is told after one: the rest is for the move. */
const MOVED_LEASE_SECONDS = 9;

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

describe("launchers whose ZooKeeper goes away under load", { skip }, () => {
  let server: ZooKeeperServer;
  let world: OutageWorld;
  beforeEach(async () => {
    server = await startZooKeeper({ longestSessionMs: LONG_SESSION_MS });
    world = await OutageWorld.open([server]);
  });
  afterEach(async () => {
    await world.close();
    await server.close();
  });

  const dead = async (milliseconds: number) => {
    await server.stop({ hard: true });
    await pause(milliseconds);
    await server.restart();
  };
  const hung = async (milliseconds: number) => {
    await server.pause();
    await pause(milliseconds);
    server.resume();
  };

  for (const [what, trouble, milliseconds] of [
    ["is killed and soon started again", dead, 0],
    ["is dead for three session timeouts", dead, LONG_MS],
    ["hangs for a moment", hung, SHORT_MS],
    ["hangs for three session timeouts", hung, LONG_MS],
  ] as const) {
    it(`lose nothing when it ${what}`, async () => {
      const leased = await Promise.all([world.take(LEASE_SECONDS, 0), world.take(LEASE_SECONDS, 1)]);
      const held = await world.hold();
      const inZuulsHands = await world.zuul.use(await world.zuul.ask("large"));
      world.cloud.use(String(inZuulsHands.record.externalId));
      const churning = world.churn(4, 200);
      churning.catch(() => {});
      // Launches are on their way when it happens, and end while it is away.
      world.cloud.weather.createMs = 500;
      const launching = await Promise.all([0, 1].map((first) => world.ask(60, first)));
      await trouble(milliseconds);
      const tookMs = await world.served();
      assert.ok(tookMs < RESUMED_MS, `it took ${tookMs} ms until both launchers served again`);
      for (const holder of launching) await holder.begin();
      world.rest();
      const lives = await churning;
      assert.ok(lives > 0);
      assert.deepEqual(
        leased.map(({ ended }) => ended),
        [null, null],
        "leases with an open stream last",
      );
      assert.deepEqual(world.cloud.wrongs, []);
      const { made } = world.cloud;
      assert.equal(new Set(made).size, made.length, `a launch was begun anew: ${made}`);
      for (const holder of [...leased, ...launching]) await holder.release();
      await world.unhold(held);
      world.cloud.inUse.delete(String(inZuulsHands.record.externalId));
      await world.zuul.giveBack(inZuulsHands);
      await world.settled();
      assert.deepEqual(world.cloud.wrongs, []);
    });
  }
});

describe("a launcher that alone has lost its connection", { skip }, () => {
  let server: ZooKeeperServer;
  let proxies: TcpProxy[];
  let world: OutageWorld;
  beforeEach(async () => {
    server = await startZooKeeper({ longestSessionMs: LONG_SESSION_MS });
    proxies = [new TcpProxy(server), new TcpProxy(server)];
    await Promise.all(proxies.map((proxy) => proxy.listen()));
    world = await OutageWorld.open([server], { doors: proxies });
  });
  afterEach(async () => {
    await world.close();
    await Promise.all(proxies.map((proxy) => proxy.close()));
    await server.close();
  });

  it("sends those who watch their requests elsewhere before their leases end", async () => {
    const [cutOff] = proxies;
    assert.ok(cutOff);
    const leased = await Promise.all([0, 1].map((first) => world.take(MOVED_LEASE_SECONDS, first)));
    cutOff.mode = "silent";
    await pause(1.5 * MOVED_LEASE_SECONDS * 1000);
    assert.deepEqual(
      leased.map(({ ended }) => ended),
      [null, null],
    );
    assert.deepEqual(world.cloud.wrongs, []);
    cutOff.mode = "pass";
    await world.served();
    for (const holder of leased) await holder.release();
    await world.settled();
  });
});
