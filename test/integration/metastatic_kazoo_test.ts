// Backing nodes that our launcher and Nodepool's take over from each other. Nodepool's side is played by kazoo, which
// makes the calls that its metastatic driver makes.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { encodeNode, newNode } from "../../lib/model/node.ts";
import { nodeLockPath, nodePath } from "../../lib/model/paths.ts";
import { FakeProvider } from "../harness/fake_provider.ts";
import { Kazoo, withoutKazoo } from "../harness/kazoo.ts";
import { configOf } from "../harness/launcher.ts";
import { LauncherCase } from "../harness/launcher_case.ts";
import { give, recordOf, shared, take, untilBacking } from "../harness/metastatic.ts";
import { startZooKeeper, type ZooKeeperServer } from "../harness/zookeeper.ts";

const OWNER = "NodePool:metastatic:meta";

describe("backing nodes pass between our launcher and Nodepool's", { skip: withoutKazoo }, () => {
  let server: ZooKeeperServer;
  let one: LauncherCase;
  let kazoo: Kazoo;
  before(async () => {
    server = await startZooKeeper();
  });
  after(() => server.close());
  beforeEach(async () => {
    one = await LauncherCase.begin(server, "cloud");
    kazoo = new Kazoo(one.hosts);
  });
  afterEach(async () => {
    await kazoo.close();
    await one.end();
  });

  it("ours are found as its restart looks for them, after our launcher has crashed", async () => {
    const launcher = await one.launcher(shared(new FakeProvider("cloud"), { share: {} }));
    const { backing, id, slot } = await take(launcher);
    await launcher.crash();
    const path = nodeLockPath(backing);
    assert.deepEqual(await kazoo.do({ do: "contenders", path }), { contenders: [OWNER] });
    const node = JSON.parse(String((await kazoo.do({ do: "get", path: nodePath(backing) })).data));
    const { launched, ...rest } = JSON.parse(node.user_data);
    assert.deepEqual(rest, { owner: OWNER, label: "share", slots: 2, failed: false });
    assert.ok(Math.abs(Date.now() / 1000 - launched) < 60);
    assert.equal(node.state, "in-use");
    const child = JSON.parse(String((await kazoo.do({ do: "get", path: nodePath(id) })).data));
    assert.equal(child.external_id, id);
    assert.equal(child.driver_data.backing_node, backing);
    assert.equal(child.driver_data.slot, slot);
    assert.equal(child.driver_data.node, id);
    assert.equal(child.driver_data.metadata.nodepool_node_id, id);
    assert.equal((await kazoo.do({ do: "acquire", path })).taken, false, "nobody else takes it");
  });

  it("its own are gone on with after it has crashed, and given back", async () => {
    const cloud = new FakeProvider("cloud");
    const { externalId } = cloud.add("np1", { nodepool_provider_name: "cloud" }, "running");
    const userData = JSON.stringify({ owner: OWNER, label: "share", slots: 2, failed: false, launched: 1.5 });
    const place = { provider: "cloud", pool: "main", type: ["large"], externalId, userData };
    const record = { ...newNode(1, { ...place, interfaceIp: "192.0.2.1" }), state: "in-use" } as const;
    const create = { do: "create", path: "/nodepool/nodes/", sequence: true };
    const { path } = await kazoo.do({ ...create, data: new TextDecoder().decode(encodeNode(record)) });
    const backing = String(path).slice(-10);
    const lock = { do: "acquire", path: nodeLockPath(backing), identifier: OWNER, ephemeral: false };
    assert.equal((await kazoo.do(lock)).taken, true);
    kazoo.crash();
    const launcher = await one.launcher(shared(cloud, { share: { "grace-time": 3600 } }));
    const taken = await take(launcher);
    assert.deepEqual([taken.backing, taken.slot], [backing, 0]);
    assert.equal(taken.node?.interfaceIp, "192.0.2.1");
    assert.equal(recordOf(launcher, backing).userData, userData, "what it has written stays");
    await give(launcher, taken);
    await untilBacking(launcher, backing);
    const setting = shared(cloud, { share: { "grace-time": 0 } });
    await launcher.service.reconfigure?.({
      config: configOf(setting),
      providers: setting.providers.map(({ driver }) => driver),
      unserved: [],
    });
    await untilBacking(launcher);
    assert.equal(cloud.instances.size, 0);
  });
});
