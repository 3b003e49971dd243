// The records of static hosts, with real SSH servers and a real ZooKeeper: how they follow the configuration, and what
// befalls them.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { nodeLockPath, nodePath } from "../../lib/model/paths.ts";
import { encodeRequest, newRequest } from "../../lib/model/request.ts";
import { HostStage } from "../harness/host_stage.ts";
import { hostsConfig, recordsIn, reloadHosts, untilSlots } from "../harness/hosts.ts";
import { until } from "../harness/launcher.ts";
import { ask, callContext, fulfilled, release } from "../harness/launcher_case.ts";

describe("the records of hosts", () => {
  let stage: HostStage;
  before(async () => {
    stage = await HostStage.open();
  });
  after(() => stage.close());
  afterEach(() => stage.end());

  it("grow and shrink with hosts and max-parallel-jobs, while jobs run to their end", async () => {
    const launcher = await stage.begin([
      stage.host({ "max-parallel-jobs": 2 }),
      stage.host({ username: "two" }),
    ]);
    await untilSlots(
      launcher,
      `0 ready ${stage.at()} small`,
      `1 ready ${stage.at()} small`,
      `0 ready ${stage.at("two")} small`,
    );
    await reloadHosts(launcher, hostsConfig([stage.host({ "max-parallel-jobs": 3 })]));
    await untilSlots(launcher, ...[0, 1, 2].map((slot) => `${slot} ready ${stage.at()} small`));
    const names = [
      await ask(launcher, ["small"]),
      await ask(launcher, ["small"]),
      await ask(launcher, ["small"]),
    ];
    for (const name of names) await fulfilled(launcher, name);
    await reloadHosts(launcher, hostsConfig([stage.host()]));
    await untilSlots(launcher, ...[0, 1, 2].map((slot) => `${slot} in-use ${stage.at()} small`));
    for (const name of names) await release(launcher, name);
    await untilSlots(launcher, `0 ready ${stage.at()} small`);
    await reloadHosts(launcher, hostsConfig([]));
    await untilSlots(launcher);
  });

  it("follow labels, user, port, shell, attributes and keys in place", async () => {
    const other = await stage.servers.start([await stage.servers.key("ecdsa256"), stage.key]);
    const launcher = await stage.begin([stage.host()]);
    await untilSlots(launcher, `0 ready ${stage.at()} small`);
    const [before] = [...launcher.view.nodes()];
    const next = stage.host({
      labels: ["large", "small"],
      username: "two",
      "connection-port": other.port,
      "shell-type": "cmd",
      "python-path": "/opt/python",
      "host-key": [],
    });
    await reloadHosts(launcher, hostsConfig([next], { "node-attributes": { rack: "r2" } }));
    await untilSlots(launcher, `0 ready ${stage.at("two", other.port)} large,small`);
    const [after] = [...launcher.view.nodes()];
    assert.equal(after?.id, before?.id);
    const { shellType, pythonPath, attributes, sshPort, hostKeys } = after?.record ?? {};
    assert.deepEqual(
      [shellType, pythonPath, attributes, sshPort, hostKeys?.length],
      ["cmd", "/opt/python", { rack: "r2" }, other.port, 2],
    );
    await other.stop();
  });

  it("are taken over at a start, and follow what has changed meanwhile", async () => {
    const first = await stage.begin([stage.host({ "max-parallel-jobs": 2 })]);
    await untilSlots(first, `0 ready ${stage.at()} small`, `1 ready ${stage.at()} small`);
    const before = [...first.view.nodes()].map(({ id }) => id).sort();
    await first.stop();
    const second = await stage.one.launcher(
      hostsConfig([stage.host({ username: "two", labels: ["large"], "max-parallel-jobs": 2 })]),
    );
    await untilSlots(second, `0 ready ${stage.at("two")} large`, `1 ready ${stage.at("two")} large`);
    assert.deepEqual([...second.view.nodes()].map(({ id }) => id).sort(), before);
  });

  it("are left alone while they are allocated or locked", async () => {
    const launcher = await stage.begin([stage.host({ "max-parallel-jobs": 2 })]);
    await untilSlots(launcher, `0 ready ${stage.at()} small`, `1 ready ${stage.at()} small`);
    // As Zuul does: it asks, gets a node that is ready and allocated, and locks it later.
    const session = await stage.one.session();
    const asked = encodeRequest(newRequest(Date.now() / 1000, { nodeTypes: ["small"], requestor: "zuul" }));
    await session.create("/nodepool/requests/100-", asked, "persistent-sequential");
    await until("a node is allocated", () =>
      recordsIn(launcher).some(({ allocatedTo }) => allocatedTo !== null),
    );
    const locked = [...launcher.view.nodes()].find(({ record }) => record?.allocatedTo === null);
    assert.ok(locked);
    await session.ensurePath(nodeLockPath(locked.id));
    const contender = `${nodeLockPath(locked.id)}/contender__lock__0000000000`;
    await session.create(contender, new Uint8Array(), "persistent");
    await until("the other is locked", () => launcher.view.node(locked.id)?.lock.contenders.length === 1);
    await reloadHosts(launcher, hostsConfig([stage.host({ username: "two", "max-parallel-jobs": 3 })]));
    await untilSlots(
      launcher,
      `0 ready ${stage.at()} small`,
      `1 ready ${stage.at()} small`,
      `2 ready ${stage.at("two")} small`,
    );
  });

  it("are written anew when somebody has deleted them", async () => {
    const launcher = await stage.begin([stage.host()]);
    await untilSlots(launcher, `0 ready ${stage.at()} small`);
    const [node] = [...launcher.view.nodes()];
    assert.ok(node);
    const session = await stage.one.session();
    await session.deleteRecursive(nodePath(node.id));
    await until("the record is gone", () => launcher.view.node(node.id) === undefined, 60_000);
    await untilSlots(launcher, `0 ready ${stage.at()} small`);
  });

  it("come back when somebody has deleted the node by the API", async () => {
    const launcher = await stage.begin([stage.host()]);
    await untilSlots(launcher, `0 ready ${stage.at()} small`);
    const [node] = [...launcher.view.nodes()];
    assert.ok(node);
    await launcher.nodes.deleteNode({ name: `nodes/${node.id}` }, callContext);
    await until("the record is gone", () => launcher.view.node(node.id) === undefined, 60_000);
    await untilSlots(launcher, `0 ready ${stage.at()} small`);
  });
});
