// What clients of a launcher hear while ZooKeeper is away, dead or hung: that it is, soon, and what to do about it.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { REQUESTS } from "../../lib/model/paths.ts";
import type { Clients } from "../../lib/rpc/client.ts";
import { ClientError } from "../../lib/rpc/client_error.ts";
import { NodeRequest } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { abortable } from "../../lib/std/abortable.ts";
import { catchUp } from "../../lib/zookeeper/settle.ts";
import { ownDataOf } from "../../services/launcher/request/own_data.ts";
import { until } from "../harness/launcher.ts";
import { LONG_SESSION_MS, OutageWorld } from "../harness/outage_world.ts";
import { WatchedCloud } from "../harness/watched_cloud.ts";
import { startZooKeeper, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";

const skip = zooKeeperInstalled ? false : "needs the package zookeeper";
/** Two seconds of patience, and what it takes to notice that a server hangs; far below any deadline. */
const SOON_MS = 15_000;
/** By then a call is at the cloud, mostly. */
const ASKED_MS = 500;
const ONCE = { retry: false, deadlineMs: 60_000 } as const;

describe("clients of launchers whose ZooKeeper is away", { skip }, () => {
  let server: ZooKeeperServer;
  let world: OutageWorld;
  before(async () => {
    server = await startZooKeeper({ longestSessionMs: LONG_SESSION_MS });
    world = await OutageWorld.open([server]);
  });
  after(async () => {
    await world.close();
    await server.close();
  });

  for (const [how, begin, end] of [
    ["dead", () => server.stop({ hard: true }), () => server.restart()],
    ["hung", () => server.pause(), async () => server.resume()],
  ] as const) {
    it(`are told so soon while it is ${how}, and what they repeat is done once`, async () => {
      const holder = await world.take(60);
      const [node = ""] = holder.nodes;
      const [launcher, other] = world.clients;
      assert.ok(launcher && other);
      const requestId = randomUUID();
      const create = ({ requests }: Clients) =>
        requests.createRequest({ request: NodeRequest.fromPartial({ labels: ["large"] }), requestId }, ONCE);
      const { nodes, requests, providers } = launcher;
      await begin();
      try {
        const calls: readonly (() => Promise<unknown>)[] = [
          () => create(launcher),
          () => requests.renewRequest({ name: holder.name }, ONCE),
          () => requests.releaseRequest({ name: "nodeRequests/200-0000009999" }, ONCE),
          () => requests.getRequest({ name: "nodeRequests/200-0000009999" }, ONCE),
          () => nodes.holdNode({ name: node, reason: "a look" }, ONCE),
          () => nodes.getConsoleLog({ name: "nodes/0000009999" }, ONCE),
          () => providers.eraseProviderData({ name: "providers/another" }, ONCE),
          () => readAll(requests.watchRequest({ name: holder.name })),
          () => readAll(nodes.watchNodes({})),
        ];
        await Promise.all(calls.map((call) => refusedSoon(call)));
        // When it is known to be away, a second try hears the same.
        await Promise.all(calls.map((call) => refusedSoon(call)));
      } finally {
        await end();
      }
      const made = await until("a request", async () => (await created(create(launcher))) ?? null);
      assert.equal(await until("its name", async () => (await created(create(other))) ?? null), made);
      await world.view.ready();
      await catchUp(world, REQUESTS);
      const same = [...world.view.requests()].filter(
        ({ record }) => record !== null && ownDataOf(record).requestId === requestId,
      );
      assert.deepEqual(
        same.map(({ id }) => `nodeRequests/${id}`),
        [made],
      );
      assert.equal(holder.ended, null);
      // Whether it is to be held depends on what became of a call that had no answer.
      await nodes.holdNode({ name: node, reason: "a look" });
      await nodes.releaseNode({ name: node });
      await launcher.requests.releaseRequest({ name: made });
      await holder.release();
      await world.settled();
    });

    it(`are not kept waiting for a list of aliens while it is ${how}, though the cloud has answered`, async () => {
      const [launcher] = world.clients;
      assert.ok(launcher);
      const { providers, requests } = launcher;
      // Both are asked for while ZooKeeper is there, and answered by the cloud when the launcher knows that it is not.
      const answer = holdLists(world.cloud);
      const refused = [
        () => providers.listAlienInstances({}, ONCE),
        () => providers.listAlienImages({}, ONCE),
      ].map((call) => refusedSoon(call));
      try {
        await new Promise((resolve) => setTimeout(resolve, ASKED_MS));
        await begin();
        await refusedSoon(() => requests.getRequest({ name: "nodeRequests/200-0000009999" }, ONCE));
        answer();
        await Promise.all(refused);
      } finally {
        answer();
        await end();
      }
      await until("a list", () =>
        providers.listAlienInstances({}, ONCE).then(() => true, nothingWhenUnavailable),
      );
      await world.settled();
    });

    it(`are not kept waiting for a release while it is ${how}, and it is done when it is repeated`, async () => {
      const holder = await world.take(60);
      const [launcher] = world.clients;
      assert.ok(launcher);
      const release = () => launcher.requests.releaseRequest({ name: holder.name }, ONCE);
      await holder.vanish();
      await begin();
      try {
        await refusedSoon(release);
        await refusedSoon(release);
      } finally {
        await end();
      }
      await until("the release", () => release().then(() => true, nothingWhenUnavailable));
      await world.settled();
    });
  }
});

/** Lets lists of the cloud wait until what it gives is called. */
function holdLists(cloud: WatchedCloud): () => void {
  const { promise: answered, resolve } = Promise.withResolvers<void>();
  const { listInstances, listImages } = WatchedCloud.prototype;
  cloud.listInstances = async (signal) => {
    await abortable(answered, signal);
    return await listInstances.call(cloud, signal);
  };
  cloud.listImages = async (signal) => {
    await abortable(answered, signal);
    return await listImages.call(cloud, signal);
  };
  return () => {
    Object.assign(cloud, { listInstances, listImages });
    resolve();
  };
}

/** A call is answered with UNAVAILABLE, its reason, and when to call again. */
async function refusedSoon(call: () => Promise<unknown>): Promise<void> {
  const begun = performance.now();
  const error = await call().then(
    () => assert.fail(`${call} was answered`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ClientError, String(error));
  const { code, reason, retryAfterMs } = error;
  assert.deepEqual(
    [code, reason, retryAfterMs],
    ["UNAVAILABLE", "ZOOKEEPER_UNAVAILABLE", 1000],
    `${call}: ${error}`,
  );
  const took = performance.now() - begun;
  assert.ok(took < SOON_MS, `${call} was answered after ${took} ms`);
}

async function readAll(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

async function created(call: ReturnType<Clients["requests"]["createRequest"]>): Promise<string | null> {
  const answer = await call.catch(nothingWhenUnavailable);
  return answer?.request?.name ?? null;
}

function nothingWhenUnavailable(error: unknown): null {
  if (error instanceof ClientError && error.code === "UNAVAILABLE") return null;
  throw error;
}
