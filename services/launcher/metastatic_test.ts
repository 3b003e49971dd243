// Nodes that share others, on a real ZooKeeper with a provider in memory beneath.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeNode, newNode } from "../../lib/model/node.ts";
import { nodeLockPath } from "../../lib/model/paths.ts";
import { sharedOf } from "../../lib/model/shared_node.ts";
import { FakeProvider } from "../../test/harness/fake_provider.ts";
import { configOf, until } from "../../test/harness/launcher.ts";
import { ask, fulfilled, idOf, type LauncherCase, look } from "../../test/harness/launcher_case.ts";
import { backingOf, give, recordOf, shared, take, untilBacking } from "../../test/harness/metastatic.ts";
import { launcherCases } from "../../test/harness/suites.ts";

describe("launcher: nodes that share others", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  const begin = async (
    cloud: FakeProvider,
    ...rest: [Parameters<typeof shared>[1], Parameters<typeof shared>[2]?]
  ) => {
    one = await cases.begin("cloud");
    return await one.launcher(shared(cloud, ...rest));
  };

  it("packs nodes onto backing nodes, gives them what these have, reuses slots, and lets idle ones go", async () => {
    const launcher = await begin(new FakeProvider("cloud"), { share: {} });
    const first = await take(launcher);
    const backing = recordOf(launcher, first.backing);
    const node = recordOf(launcher, first.id);
    assert.equal(backing.provider, "cloud");
    assert.equal(backing.state, "in-use");
    assert.equal(backing.requestor, "NodePool:metastatic:meta");
    for (const key of [
      "interfaceIp",
      "username",
      "pythonPath",
      "shellType",
      "hostKeys",
      "az",
      "region",
      "cloud",
      "connectionType",
      "connectionPort",
    ] as const) {
      assert.deepEqual(node[key], backing[key], key);
    }
    assert.deepEqual(node.hostKeys, ["ssh-ed25519 AAAA"]);
    assert.deepEqual(backing.attributes, { backattr: "back", engine: "fake", testattr: "backing" });
    assert.deepEqual(node.attributes, {
      backattr: "back",
      engine: "fake",
      metaattr: "meta",
      testattr: "metastatic",
    });
    assert.equal(node.externalId, first.id);
    assert.equal(node.slot, 0);
    assert.deepEqual(node.resources, { instances: 1 });
    assert.equal(first.node?.backingNode, `nodes/${first.backing}`);
    const [lock] = launcher.view.node(first.backing)?.lock.contenders ?? [];
    const contender = await launcher.session.get(`${nodeLockPath(first.backing)}/${lock}`);
    assert.equal(new TextDecoder().decode(contender.data), "NodePool:metastatic:meta");
    assert.equal(contender.stat.ephemeralOwner, 0n);

    const second = await take(launcher);
    assert.deepEqual([second.backing, second.slot], [first.backing, 1]);
    const third = await take(launcher);
    assert.notEqual(third.backing, first.backing);
    await give(launcher, second);
    const fourth = await take(launcher);
    assert.deepEqual([fourth.backing, fourth.slot], [first.backing, 1], "the fullest node gets the next");
    await give(launcher, fourth);
    await give(launcher, first);
    await untilBacking(launcher, third.backing);
    assert.deepEqual(await launcher.session.children("/nodepool/requests"), [third.request.split("/")[1]]);
  });

  it("asks for as many backing nodes as many nodes at once need", async () => {
    const launcher = await begin(new FakeProvider("cloud"), { share: { "max-parallel-jobs": 3 } });
    const request = await ask(
      launcher,
      Array.from({ length: 7 }, () => "share"),
    );
    const nodes = await fulfilled(launcher, request);
    const places = nodes.map(({ backingNode, slot }) => `${backingNode} ${slot}`);
    assert.equal(new Set(places).size, 7, "no slot is given twice");
    assert.equal(backingOf(launcher).length, 3);
  });

  it("asks for the backing label of the pool that launches, though another has the label on other terms", async () => {
    const closed = { share: { "backing-label": "small", "max-parallel-jobs": 9 } };
    const launcher = await begin(new FakeProvider("cloud"), { share: {} }, { closed });
    const node = await take(launcher);
    const { type, userData } = recordOf(launcher, node.backing);
    assert.deepEqual([type, sharedOf({ userData })?.slots], [["large"], 2]);
  });

  it("goes on after a crash with the slots that are taken", async () => {
    const cloud = new FakeProvider("cloud");
    const launcher = await begin(cloud, { share: { "grace-time": 60 } });
    const first = await take(launcher);
    await launcher.crash();
    const next = await one.launcher(shared(cloud, { share: { "grace-time": 60 } }));
    const second = await take(next);
    assert.deepEqual([second.backing, second.slot], [first.backing, 1]);
    const third = await take(next);
    assert.notEqual(third.backing, first.backing);
  });

  it("never gives a slot twice when two launchers serve the same labels", async () => {
    const cloud = new FakeProvider("cloud");
    const launcher = await begin(cloud, { share: { "max-parallel-jobs": 4 } });
    const other = await one.launcher(shared(cloud, { share: { "max-parallel-jobs": 4 } }));
    const makers = Array.from({ length: 24 }, (_, index) => (index % 2 === 0 ? launcher : other));
    const taken = await Promise.all(makers.map((maker) => take(maker)));
    assert.equal(new Set(taken.map(({ backing, slot }) => `${backing} ${slot}`)).size, 24);
    await Promise.all(taken.map((node) => give(launcher, node)));
    await untilBacking(launcher);
    assert.equal(cloud.instances.size, 0);
  });

  it("keeps slots over another configuration, also for a launch that is under way", async () => {
    const cloud = new FakeProvider("cloud");
    const launcher = await begin(cloud, { share: { "grace-time": 60 } });
    const first = await take(launcher);
    cloud.weather.createMs = 500;
    const requests = await Promise.all(["share", "share", "share"].map((label) => ask(launcher, [label])));
    await until("a launch waits", () =>
      [...launcher.view.requests()].some(({ record }) => record?.requestor === "NodePool:metastatic:meta"),
    );
    const setting = shared(cloud, { share: { "grace-time": 60, "max-parallel-jobs": 3 } });
    await launcher.service.reconfigure?.({
      config: configOf(setting),
      providers: setting.providers.map(({ driver }) => driver),
      unserved: [],
    });
    const nodes = (await Promise.all(requests.map((request) => fulfilled(launcher, request)))).flat();
    const places = [
      ...nodes.map(({ backingNode, slot }) => `${idOf(backingNode)} ${slot}`),
      `${first.backing} ${first.slot}`,
    ];
    assert.equal(new Set(places).size, 4, places.join());
    assert.equal(
      places.filter((place) => place.startsWith(first.backing)).length,
      2,
      "it has the slots that it had",
    );
  });

  it("says what a launch waits for, and fails it when no backing node can be had", async () => {
    const launcher = await begin(
      new FakeProvider("cloud"),
      { share: { "backing-label": "nowhere" } },
      { launchRetries: 1 },
    );
    const request = await ask(launcher, ["share"]);
    const reason = await until("the request failed", async () => {
      const { request: found } = await look(launcher, request);
      return found.state === "STATE_FAILED" ? found.reason : null;
    });
    assert.match(reason, /meta\/main: request 100-\d+ for a backing node failed: no pool offers 'nowhere'/);
    await until("no request is left", async () =>
      [...launcher.view.requests()].every(({ record }) => record?.requestor === "tester"),
    );
  });

  it("goes on with what a Python launcher has left, and leaves alone what only looks like it", async () => {
    one = await cases.begin("cloud");
    const session = await one.session();
    const cloud = new FakeProvider("cloud");
    const put = async (owner: string) => {
      const { externalId } = cloud.add("np1", { nodepool_provider_name: "cloud" }, "running");
      const userData =
        '{"owner": "NodePool:metastatic:meta", "label": "share", "slots": 2, "failed": false, "launched": 1.5}';
      const record = newNode(1, {
        provider: "cloud",
        pool: "main",
        type: ["large"],
        externalId,
        userData,
        interfaceIp: "192.0.2.1",
      });
      const path = await session.create(
        "/nodepool/nodes/",
        encodeNode({ ...record, state: "in-use" }),
        "persistent-sequential",
      );
      await session.ensurePath(`${path}/lock`);
      const data = new TextEncoder().encode(owner);
      await session.create(`${path}/lock/00ff__lock__`, data, "persistent-sequential");
      return path.slice(-10);
    };
    await session.ensurePath("/nodepool/nodes");
    const falsified = await put("zuul");
    const real = await put("NodePool:metastatic:meta");
    const driverData = {
      metadata: { nodepool_provider_name: "meta" },
      backing_node: real,
      slot: 0,
      node: "x",
    };
    const child = newNode(1, { provider: "meta", pool: "main", type: ["share"], driverData });
    const used = await session.create(
      "/nodepool/nodes/",
      encodeNode({ ...child, state: "in-use" }),
      "persistent-sequential",
    );
    await session.ensurePath(`${used}/lock`);
    await session.create(`${used}/lock/zuul__lock__`, new Uint8Array(), "ephemeral-sequential");
    const launcher = await one.launcher(shared(cloud, { share: {} }));
    const node = await take(launcher);
    assert.deepEqual([node.backing, node.slot], [real, 1]);
    await give(launcher, node);
    await session.deleteRecursive(`${used}/lock`);
    await untilBacking(launcher, falsified);
    assert.equal(recordOf(launcher, falsified).state, "in-use");
  });
});
