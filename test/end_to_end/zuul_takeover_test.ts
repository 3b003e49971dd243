// Launchers that die with Zuul's requests and nodes in hand, at a cloud that is slow: ZooKeeper shows what they had when
// they were killed, and just that is finished by the others.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { METADATA } from "../../lib/provider/contract.ts";
import { until } from "../harness/launcher.ts";
import { zooKeeperInstalled } from "../harness/zookeeper.ts";
import { type FleetLauncher, type InHand, ZuulFleet } from "../harness/zuul_fleet.ts";
import { ZuulScheduler } from "../harness/zuul_scheduler.ts";

/** How many nodes each of a few jobs wants: together they fill the pool. */
const SIZES = [2, 1, 1];
const ROOM = 4;

describe("when a launcher that serves Zuul is killed, the others", {
  skip: zooKeeperInstalled ? false : "needs Debian's package zookeeper",
}, () => {
  let fleet: ZuulFleet;
  let zuul: ZuulScheduler;
  const requests = new Map<number, string>();

  before(async () => {
    fleet = await ZuulFleet.open(3, ROOM);
    zuul = new ZuulScheduler(fleet.zookeeper.connectString, "tiny");
  });
  after(async () => {
    zuul?.kill();
    await fleet?.close();
  });

  /** Has jobs ask that fill the pool; their numbers. */
  const ask = async (): Promise<readonly number[]> => {
    const jobs = SIZES.map((_, at) => requests.size + at);
    for (const [at, job] of jobs.entries()) requests.set(job, await zuul.ask(job, SIZES[at] ?? 0));
    return jobs;
  };
  const giveBack = async (jobs: readonly number[]) => {
    for (const job of jobs) await zuul.giveBack(job);
  };
  const nodesOf = (jobs: readonly number[]) => jobs.flatMap((job) => zuul.nodesOf(job)).sort();

  /** The launcher that has this in hand. */
  const ownerOf = async (kind: keyof InHand, id: string): Promise<FleetLauncher> =>
    await until(`somebody has ${id} in hand`, async () => {
      for (const launcher of fleet.launchers) {
        if ((await fleet.inHand(launcher))[kind].includes(id)) return launcher;
      }
      return null;
    });

  /** The nodes in a state, by their ids, with the request that each is for and what it is at the cloud. */
  const nodesIn = async (state: string) => {
    const found: { readonly id: string; readonly request: unknown; readonly instance: unknown }[] = [];
    for (const id of await fleet.nodes()) {
      const node = await fleet.node(id);
      if (node?.state === state) found.push({ id, request: node.allocated_to, instance: node.external_id });
    }
    return found;
  };

  /** Kills the launcher that creates the first job's nodes, lets the cloud go on, and looks at what becomes of it. */
  const killAtCreation = async (jobs: readonly number[], letGoOn: () => void) => {
    const first = requests.get(jobs[0] ?? -1) ?? "";
    const victim = await ownerOf("requests", first);
    const hand = await fleet.inHand(victim);
    const building = (await nodesIn("building")).filter(({ id }) => hand.nodes.includes(id));
    assert.equal(building.filter(({ request }) => request === first).length, SIZES[0]);
    const served = zuul.served.length;
    await fleet.kill(victim);
    letGoOn();
    await zuul.untilServed(served + jobs.length);
    // What was in hand, whole: those requests, each with the nodes that were being made for it.
    for (const [job, request] of requests) {
      const own = building.flatMap((node) => (node.request === request ? [node.id] : [])).sort();
      assert.equal(own.length > 0, hand.requests.includes(request), `${request} has ${own}`);
      if (own.length > 0) assert.deepEqual(zuul.nodesOf(job).toSorted(), own);
    }
    const made = fleet.cloud.made.filter((name) => nodesOf(jobs).includes(name.replace("np", "")));
    assert.deepEqual(
      made.toSorted(),
      nodesOf(jobs).map((id) => `np${id}`),
      "each was made once",
    );
    await giveBack(jobs);
    await fleet.start();
  };

  it("fulfil the requests whose nodes it was about to create", async () => {
    const { cloud } = fleet;
    const goOn = cloud.delay("createInstance");
    const jobs = await ask();
    await fleet.until("all creates are on their way", async () => cloud.waiting === ROOM);
    await killAtCreation(jobs, goOn);
  });

  it("fulfil the requests whose nodes were booting, with these nodes", async () => {
    const { cloud } = fleet;
    const goOn = cloud.delay("awaitInstance");
    const jobs = await ask();
    const isBooting = async () => {
      const booting = (await nodesIn("building")).filter(({ instance }) => instance !== null);
      return booting.length === ROOM && cloud.waiting === ROOM;
    };
    await fleet.until("all nodes boot", isBooting);
    await killAtCreation(jobs, goOn);
  });

  it("fulfil the requests that wait for the place of the nodes that it was deleting", async () => {
    const { cloud } = fleet;
    const before = await ask();
    await zuul.untilServed(requests.size);
    const goOn = cloud.delay("deleteInstance");
    const jobs = await ask();
    await giveBack(before);
    const leaving = nodesOf(before);
    const isLeaving = async () => {
      const deleting = (await nodesIn("deleting")).map(({ id }) => id);
      return deleting.join() === leaving.join() && cloud.waiting === ROOM;
    };
    await fleet.until("all deletions are on their way", isLeaving);
    const victim = await ownerOf("nodes", leaving[0] ?? "");
    const hand = await fleet.inHand(victim);
    assert.ok(hand.nodes.every((id) => leaving.includes(id)));
    assert.deepEqual(
      [cloud.instances.size, nodesOf(jobs)],
      [ROOM, []],
      "there is no place before they are gone",
    );
    await fleet.kill(victim);
    goOn();
    await zuul.untilServed(requests.size);
    assert.deepEqual(await fleet.nodes(), nodesOf(jobs));
    const there = [...cloud.instances.values()].map(({ metadata }) => metadata[METADATA.node]);
    assert.deepEqual(there.sort(), nodesOf(jobs));
    await giveBack(jobs);
  });

  it("leave nothing behind when the work is done", async () => {
    await zuul.end();
    assert.deepEqual([await fleet.nodes(), fleet.cloud.instances.size], [[], 0]);
    for (const launcher of fleet.launchers) {
      await fleet.until("it has nothing in hand", async () => {
        const { requests, nodes } = await fleet.inHand(launcher);
        return requests.length + nodes.length === 0;
      });
    }
  });
});
