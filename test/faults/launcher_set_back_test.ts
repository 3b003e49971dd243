// ZooKeeper is restored from an older backup under launchers that work: what was handed out since has no record, what
// was deleted since is recorded again. Nothing that somebody works on is deleted or given out again, what is left over
// goes when somebody has looked, and the launchers go on.
import assert from "node:assert/strict";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { until } from "../harness/launcher.ts";
import type { LeaseHolder } from "../harness/lease_holder.ts";
import { LONG_SESSION_MS, OutageWorld, SESSION_TIMEOUT_MS } from "../harness/outage_world.ts";
import { startZooKeeper, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";

const skip = zooKeeperInstalled ? false : "needs the package zookeeper";
const RESUMED_MS = 20_000;

/** Copies what the server has on its disk. */
async function backUp({ directory }: ZooKeeperServer): Promise<void> {
  await cp(join(directory, "data"), join(directory, "backup"), { recursive: true });
}

/** Takes longer than the launchers' sessions live, as restoring does: a few transactions earlier are noticed by nothing else. */
async function restore(server: ZooKeeperServer): Promise<void> {
  const [data, backup] = [join(server.directory, "data"), join(server.directory, "backup")];
  await server.stop({ hard: true });
  await new Promise((resolve) => setTimeout(resolve, 1.5 * SESSION_TIMEOUT_MS));
  await rm(data, { recursive: true });
  await cp(backup, data, { recursive: true });
  await server.restart();
}

describe("launchers whose ZooKeeper is set back to a backup", { skip }, () => {
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

  const take = (count: number): Promise<LeaseHolder[]> =>
    Promise.all(Array.from({ length: count }, (_, number) => world.take(60, number)));
  const brake = async (): Promise<string> => {
    const answers = await Promise.all(world.clients.map(({ providers }) => providers.listProviders({})));
    return answers.flatMap(({ providers }) => providers.flatMap((provider) => provider.brake)).join("");
  };

  it("keep what is in use, serve, and remove what is left over once the brake is released", async () => {
    const before = await take(2);
    const gone = await take(2);
    await backUp(server);
    for (const holder of gone) await holder.release();
    await until("their nodes gone", () =>
      [...world.view.nodes()].every(({ record }) => record?.state !== "deleting"),
    );
    const since = await take(6);
    const working = since.flatMap((holder) => holder.instances);

    await restore(server);
    const tookMs = await world.served();
    await world.lookAnew([server]);
    assert.ok(tookMs < RESUMED_MS, `it took ${tookMs} ms until both launchers served again`);
    await until("the brake", async () => (await brake()) !== "");
    // Numbers are given anew: these nodes have those of nodes that somebody still works on.
    const after = await take(4);
    for (const holder of after) await holder.release();
    assert.deepEqual(world.cloud.wrongs, []);
    assert.deepEqual(
      before.map(({ ended }) => ended),
      [null, null],
    );

    // Those whose requests are gone end their work.
    for (const id of working) world.cloud.inUse.delete(id);
    for (const { providers } of world.clients) await providers.releaseBrake({ name: "providers/cloud" });
    for (const holder of before) await holder.release();
    // The leases of those who were gone before run out.
    for (const holder of gone) await world.clients[0]?.requests.releaseRequest({ name: holder.name });
    await world.settled();
    assert.deepEqual(world.cloud.wrongs, []);
  });

  it("go on with a request that is in their hands in the backup only", async () => {
    // Its launch is under way in the backup, and long over when that is put back.
    world.cloud.weather.createMs = 1000;
    const holder = await world.ask(60);
    await until("its launch", () =>
      [...world.view.nodes()].some(({ record }) => record?.state === "building"),
    );
    await backUp(server);
    await holder.begin();
    const [instance] = holder.instances;
    await restore(server);
    await world.lookAnew([server]);
    const states = () => [...world.view.requests()].map(({ record }) => record?.state);
    await until("it is fulfilled again", () => states().join() === "fulfilled");
    await until("its holder hears of it", () => holder.instances.length === 1);
    assert.deepEqual(holder.instances, [instance]);
    assert.equal(holder.ended, null);
    await holder.release();
    await world.settled();
    assert.deepEqual(world.cloud.wrongs, []);
  });
});
