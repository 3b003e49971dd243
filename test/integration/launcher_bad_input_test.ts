// What others may have written, and clocks that somebody sets: it is named, and everything else goes on.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { requestPath } from "../../lib/model/paths.ts";
import { FakeCloud } from "../../lib/provider/fake/cloud.ts";
import { systemClock } from "../../lib/std/clock.ts";
import { FakeProvider } from "../harness/fake_provider.ts";
import { until } from "../harness/launcher.ts";
import {
  ask,
  askAsZuul,
  callContext,
  fulfilled,
  idOf,
  type LauncherCase,
  look,
  release,
  simple,
  statesOf,
  untilStates,
} from "../harness/launcher_case.ts";
import { launcherCases } from "../harness/suites.ts";

const BROKEN = {
  "nodes/0000000101": '{"state": "ready", "provider": ',
  "nodes/0000000102": '["no", "object"]',
  "nodes/0000000103": '{"state": "on holiday", "provider": "cloud"}',
  "nodes/0000000104": '{"provider": "cloud", "pool": "main", "type": ["small"]}',
  "requests/200-0000000101": '{"state": "requested"',
  "requests/200-0000000102": '{"state": "requested", "node_types": 7}',
  "requests/100-0000000103": '{"node_types": ["small"]}',
};

describe("a launcher", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  it("serves others beside documents that cannot be read, names them, and leaves them as they are", async () => {
    one = await cases.begin("cloud");
    const session = await one.session();
    for (const path of ["/nodepool/nodes", "/nodepool/requests"]) await session.ensurePath(path);
    for (const [path, text] of Object.entries(BROKEN)) {
      await session.create(`/nodepool/${path}`, new TextEncoder().encode(text), "persistent");
    }
    const launcher = await one.launcher(simple(new FakeProvider("cloud"), { minReady: 1, maxServers: 3 }), {
      cleanupIntervalMs: 100,
    });
    const name = await ask(launcher, ["small", "large"]);
    await fulfilled(launcher, name);
    await release(launcher, name);
    await until("one node is ready, and nobody asks for another", () => {
      const readable = [...launcher.view.nodes()].filter(({ record }) => record !== null);
      const asked = [...launcher.view.requests()].filter(({ record }) => record !== null);
      return readable.length === 1 && readable[0]?.record?.state === "ready" && asked.length === 0;
    });
    const list = { pageSize: 0, pageToken: "", filter: "" };
    const { requests } = await launcher.requests.listRequests(list, callContext);
    assert.equal(requests?.length, 3);
    for (const { name: broken, reason } of requests ?? []) assert.notEqual(reason, "", broken);
    for (const [path, text] of Object.entries(BROKEN)) {
      const { data } = await session.get(`/nodepool/${path}`);
      assert.equal(new TextDecoder().decode(data), text);
    }
  });

  it("fulfils a request that names no labels with no nodes, as Nodepool does, though the pool is full", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(simple(cloud, { maxServers: 1 }));
    await fulfilled(launcher, await ask(launcher, ["small"]));
    const session = await one.session();
    const own = { requestor: "zuul", requestor_data: { job: "empty" }, event_id: "event", provider: null };
    for (const labels of [{}, { node_types: [] }]) {
      const document = { state: "requested", state_time: Date.now() / 1000, ...own, ...labels };
      const data = new TextEncoder().encode(JSON.stringify(document));
      const path = await session.create("/nodepool/requests/200-", data, "persistent-sequential");
      const answer = await until("an answer", async () => {
        const found = JSON.parse(new TextDecoder().decode((await session.get(path)).data));
        return found.state === "requested" || found.state === "pending" ? null : found;
      });
      const { state, nodes, node_types, declined_by } = answer;
      assert.deepEqual(
        { state, nodes, node_types, declined_by },
        { state: "fulfilled", nodes: [], node_types: [], declined_by: [] },
      );
      for (const [key, value] of Object.entries(own)) assert.deepEqual(answer[key], value, key);
      await until("nobody has it in hand", () => {
        const seen = launcher.view.request(idOf(path));
        return seen?.record?.state === "fulfilled" && seen.lock.contenders.length === 0;
      });
      await session.delete(path, -1);
    }
    assert.deepEqual([statesOf(launcher), cloud.calls.length], [["in-use"], 1]);
  });

  it("counts and serves beside nodes without type, pool, resources, and of a provider that nobody knows", async () => {
    one = await cases.begin("cloud");
    const session = await one.session();
    await session.ensurePath("/nodepool/nodes");
    const bare = [
      { state: "ready" },
      { state: "ready", provider: "cloud" },
      { state: "in-use", provider: "cloud", pool: "main" },
      { state: "ready", provider: "elsewhere", pool: "main", type: ["small"] },
      { state: "hold", provider: "cloud", pool: "gone", type: "small", resources: { cores: "many" } },
    ];
    for (const document of bare) {
      const data = new TextEncoder().encode(JSON.stringify({ state_time: Date.now() / 1000, ...document }));
      await session.create("/nodepool/nodes/", data, "persistent-sequential");
    }
    const launcher = await one.launcher(simple(new FakeProvider("cloud")));
    const [node] = await fulfilled(launcher, await ask(launcher, ["small"]));
    assert.equal(node?.provider, "cloud");
    // The node that was in use, unlocked, is deleted; the rest is not ours to judge.
    await untilStates(launcher, "ready", "ready", "ready", "hold", "in-use");
  });

  it("serves others beside a request that its driver throws for, says why, and tries it again when it changes", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const { resourcesOf } = cloud;
    cloud.resourcesOf = (pool, label) => {
      if (label === "large") throw new Error("no such flavor");
      return resourcesOf.call(cloud, pool, label);
    };
    const launcher = await one.launcher(simple(cloud, { minReady: 1 }));
    const id = await askAsZuul(launcher, { nodeTypes: ["large"] });
    for (const label of ["small", "small"]) await fulfilled(launcher, await ask(launcher, [label]));
    const { request } = await look(launcher, `nodeRequests/${id}`);
    assert.equal(request.reason, "it cannot be decided because of an error: no such flavor");
    cloud.resourcesOf = resourcesOf;
    const { data } = await launcher.session.get(requestPath(id));
    await launcher.session.set(requestPath(id), data, -1);
    await fulfilled(launcher, `nodeRequests/${id}`);
  });

  it("deletes a node with all that somebody has put below it", async () => {
    one = await cases.begin("cloud");
    const session = await one.session();
    const path = "/nodepool/nodes/0000000007";
    await session.ensurePath(`${path}/notes/of somebody`);
    await session.ensurePath(`${path}/lock`);
    const node = { state: "used", provider: "cloud", pool: "main", type: ["small"], external_id: "gone" };
    await session.set(path, new TextEncoder().encode(JSON.stringify(node)), -1);
    await one.launcher(simple(new FakeProvider("cloud")));
    await until("the node is gone", async () => (await session.exists(path)) === null);
  });

  it("takes a label that two pools define differently as each pool has it", async () => {
    one = await cases.begin("slim", "wide");
    const slim = new FakeProvider("slim", new FakeCloud(), { instances: 1, cores: 2 });
    const wide = new FakeProvider("wide", new FakeCloud(), { instances: 1, cores: 8 });
    const pools = [{ name: "main", offers: ["small"], maxCores: 8 }];
    const launcher = await one.launcher({
      labels: { small: {} },
      providers: [slim, wide].map((driver) => ({ driver, pools })),
    });
    const names = await Promise.all(Array.from({ length: 5 }, () => ask(launcher, ["small"])));
    for (const name of names) await fulfilled(launcher, name);
    assert.deepEqual([slim.instances.size, wide.instances.size], [4, 1]);
    const next = await ask(launcher, ["small"]);
    await until("both are full", async () => {
      const { reason } = (await look(launcher, next)).request;
      return /slim\/main: max-cores is 8, in use 8, needed 2; wide\/main: max-cores is 8, in use 8, needed 8/.test(
        reason,
      );
    });
  });

  it("lets nobody lose a node when its clock jumps, and goes on launching and deleting", async () => {
    one = await cases.begin("cloud");
    let offset = 0;
    const clock = { ...systemClock, now: () => Date.now() + offset };
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(simple(cloud), { clock });
    const held = await ask(launcher, ["small"], { leaseSeconds: 60 });
    await fulfilled(launcher, held);
    for (const jump of [3_600_000, -7_200_000]) {
      offset += jump;
      const other = await ask(launcher, ["small"], { leaseSeconds: 60 });
      await fulfilled(launcher, other);
      await release(launcher, other);
      await untilStates(launcher, "in-use");
      const { request } = await launcher.requests.renewRequest(
        { name: held, leaseDuration: undefined },
        callContext,
      );
      assert.equal(request?.state, "STATE_FULFILLED");
    }
    cloud.weather.failDeletes = 1;
    await release(launcher, held);
    offset -= 3_600_000;
    await untilStates(launcher);
    assert.equal(cloud.instances.size, 0);
  });
});
