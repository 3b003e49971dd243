// Real servers that die, hang or cannot be reached, under load: what the clients saw is judged as in the simulation.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { silentLogger } from "../../lib/std/logger.ts";
import { connectSession } from "../../lib/zookeeper/session.ts";
import { type ProxyMode, TcpProxy } from "../harness/tcp_proxy.ts";
import {
  leaderOf,
  startEnsemble,
  startZooKeeper,
  type ZooKeeperServer,
  zooKeeperInstalled,
} from "../harness/zookeeper.ts";
import { Fleet } from "../simulation/fleet.ts";

const skip = zooKeeperInstalled ? false : "needs the package zookeeper";
/** Session timeouts are at least two ticks: short ones, so that sessions are really lost. */
const TICK_MS = 200;
const SESSION_TIMEOUT_MS = 1000;
const CLIENTS = 4;

let runs = 0;

/** Works on servers while `trouble` comes and goes, each client through a proxy of its own; then judges. */
async function underTrouble(
  servers: readonly ZooKeeperServer[],
  trouble: (proxies: readonly TcpProxy[]) => Promise<void>,
): Promise<void> {
  runs += 1;
  const chroot = `/run${runs}`;
  const witness = connectSession({ servers, sessionTimeoutMs: 20_000, chroot, logger: silentLogger });
  const proxies: TcpProxy[] = [];
  const clients = [];
  for (let client = 0; client < CLIENTS; client += 1) {
    const own = servers.map((server) => new TcpProxy(server));
    await Promise.all(own.map((proxy) => proxy.listen()));
    proxies.push(...own);
    clients.push({ servers: own, sessionTimeoutMs: SESSION_TIMEOUT_MS, chroot });
  }
  const fleet = new Fleet(witness, runs);
  let working = true;
  try {
    await witness.connected();
    await fleet.start(clients, () => working);
    await committed(fleet, 10);
    await trouble(proxies);
    // Work goes on after it: nobody is stuck.
    await committed(fleet, 10);
    working = false;
    assert.deepEqual(await fleet.judge(), []);
  } finally {
    working = false;
    await fleet.close();
    await witness.close();
    await Promise.all(proxies.map((proxy) => proxy.close()));
  }
}

/** Resolves when so many more writes have been committed under locks. */
async function committed(fleet: Fleet, more: number): Promise<void> {
  const count = () => fleet.writes.filter(({ outcome }) => outcome === "committed").length;
  const [wanted, end] = [count() + more, performance.now() + 60_000];
  while (count() < wanted) {
    assert.ok(performance.now() < end, `only ${count()} writes were committed, ${wanted} were expected`);
    await pause(10);
  }
}

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

describe("clients of a single server under load", { skip }, () => {
  let server: ZooKeeperServer;
  before(async () => {
    server = await startZooKeeper({ tickTime: TICK_MS });
  });
  after(() => server.close());

  it("come through a server that is killed and started again", async () => {
    await underTrouble([server], () => server.restart({ hard: true }));
  });

  it("come through a server that hangs for longer than their sessions live", async () => {
    await underTrouble([server], async () => {
      await server.pause();
      await pause(2 * SESSION_TIMEOUT_MS);
      server.resume();
    });
  });

  for (const mode of ["cut", "silent", "deaf", "mute"] as const satisfies readonly ProxyMode[]) {
    it(`come through a network that is ${mode} for two of them, for longer than their sessions live`, async () => {
      await underTrouble([server], async (proxies) => {
        for (const proxy of proxies.slice(0, 2)) proxy.mode = mode;
        await pause(2 * SESSION_TIMEOUT_MS);
        for (const proxy of proxies) proxy.mode = "pass";
      });
    });

    it(`come through a network that is ${mode} for a moment`, async () => {
      await underTrouble([server], async (proxies) => {
        for (const proxy of proxies) proxy.mode = mode;
        await pause(SESSION_TIMEOUT_MS / 4);
        for (const proxy of proxies) proxy.mode = "pass";
      });
    });
  }
});

describe("clients of an ensemble under load", { skip }, () => {
  let servers: ZooKeeperServer[];
  before(async () => {
    servers = await startEnsemble(3, { tickTime: TICK_MS });
  });
  after(() => Promise.all(servers.map((server) => server.close())));

  it("come through the leader's death", async () => {
    const fallen = await leaderOf(servers);
    await underTrouble(servers, async () => {
      await fallen.stop({ hard: true });
      await pause(2 * SESSION_TIMEOUT_MS);
      await fallen.restart();
    });
  });

  it("come through the loss of the quorum, and serve again when it is back", async () => {
    const fallen = servers.slice(1);
    await underTrouble(servers, async () => {
      await Promise.all(fallen.map((server) => server.stop({ hard: true })));
      await pause(2 * SESSION_TIMEOUT_MS);
      await Promise.all(fallen.map((server) => server.restart()));
    });
  });

  it("come through a leader that hangs", async () => {
    const hanging = await leaderOf(servers);
    await underTrouble(servers, async () => {
      await hanging.pause();
      await pause(3 * SESSION_TIMEOUT_MS);
      hanging.resume();
    });
  });

  it("come through servers that can be reached one after the other only", async () => {
    await underTrouble(servers, async (proxies) => {
      for (let only = 0; only < servers.length; only += 1) {
        for (const [index, proxy] of proxies.entries())
          proxy.mode = index % servers.length === only ? "pass" : "silent";
        await pause(SESSION_TIMEOUT_MS);
      }
      for (const proxy of proxies) proxy.mode = "pass";
    });
  });
});
