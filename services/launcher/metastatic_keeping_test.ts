// How long nodes are kept that others share, on a real ZooKeeper with a provider in memory beneath.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeNode } from "../../lib/model/node.ts";
import { nodePath } from "../../lib/model/paths.ts";
import { encodeShared, sharedOf, shareOf } from "../../lib/model/shared_node.ts";
import { type Logger, silentLogger } from "../../lib/std/logger.ts";
import type { NodeEntry } from "../../lib/zookeeper/view.ts";
import { FakeProvider } from "../../test/harness/fake_provider.ts";
import { configOf, until } from "../../test/harness/launcher.ts";
import { callContext, type LauncherCase } from "../../test/harness/launcher_case.ts";
import { backingOf, give, recordOf, shared, take, untilBacking } from "../../test/harness/metastatic.ts";
import { launcherCases } from "../../test/harness/suites.ts";

describe("launcher: how long shared nodes are kept", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  const begin = async (
    cloud: FakeProvider,
    ...rest: [Parameters<typeof shared>[1], Parameters<typeof shared>[2]?]
  ) => {
    one = await cases.begin("cloud");
    return await one.launcher(shared(cloud, ...rest));
  };

  it("gives a backing node back when its label has left the configuration and it is empty", async () => {
    const cloud = new FakeProvider("cloud");
    const launcher = await begin(cloud, { share: { "grace-time": 3600 }, more: {} });
    const first = await take(launcher);
    const setting = shared(cloud, { more: {} });
    await launcher.service.reconfigure?.({
      config: configOf(setting),
      providers: setting.providers.map(({ driver }) => driver),
      unserved: [],
    });
    await untilBacking(launcher, first.backing);
    await give(launcher, first);
    await untilBacking(launcher);
  });

  it("retires a backing node whose node cannot be reached, and puts it elsewhere", async () => {
    one = await cases.begin("cloud");
    let scans = 0;
    const setting = shared(
      new FakeProvider("cloud"),
      { share: { "grace-time": 3600 } },
      { hostKeyChecking: true },
    );
    const launcher = await one.launcher(setting, {
      scanHostKeys: async () => {
        scans += 1;
        // The backing node, the first node on it, and the second one.
        if (scans === 3) throw new Error("no answer");
        return ["ssh-ed25519 BBBB"];
      },
    });
    const first = await take(launcher);
    const second = await take(launcher);
    assert.notEqual(second.backing, first.backing);
    assert.equal(sharedOf(recordOf(launcher, first.backing))?.failed, true);
    assert.match(recordOf(launcher, first.backing).comment ?? "", /takes no further nodes: no answer/);
    const third = await take(launcher);
    assert.equal(third.backing, second.backing);
    await give(launcher, first);
    await untilBacking(launcher, second.backing);
  });

  it("has a backing node prove one of its host keys for a node on it, and gives the node all of them", async () => {
    one = await cases.begin("cloud");
    const keys = ["ssh-ed25519 BBBB", "ssh-rsa CCCC"];
    const asked: (readonly string[] | undefined)[] = [];
    const setting = shared(new FakeProvider("cloud"), { share: {} }, { hostKeyChecking: true });
    const launcher = await one.launcher(setting, {
      scanHostKeys: async ({ types }) => {
        asked.push(types);
        return keys.filter((key) => types?.some((type) => key.startsWith(type)) ?? true);
      },
    });
    const first = await take(launcher);
    const second = await take(launcher);
    assert.deepEqual(asked, [undefined, ["ssh-ed25519"], ["ssh-ed25519"]]);
    for (const { id } of [first, second]) assert.deepEqual(recordOf(launcher, id).hostKeys, keys);
  });

  it("retires a backing node whose host key has changed", async () => {
    one = await cases.begin("cloud");
    const setting = shared(
      new FakeProvider("cloud"),
      { share: { "grace-time": 3600 } },
      { hostKeyChecking: true },
    );
    const found = ["ssh-ed25519 BBBB", "ssh-ed25519 BBBB", "ssh-ed25519 CCCC"];
    const launcher = await one.launcher(setting, {
      scanHostKeys: async () => [found.shift() ?? "ssh-ed25519 DDDD"],
    });
    const first = await take(launcher);
    const second = await take(launcher);
    assert.notEqual(second.backing, first.backing);
    assert.match(
      recordOf(launcher, first.backing).comment ?? "",
      /the host key of 127.0.0.1 port \d+ has changed/,
    );
  });

  it("keeps an idle backing node for its grace time and its minimum retention time", async () => {
    const launcher = await begin(new FakeProvider("cloud"), { share: { "min-retention-time": 3600 } });
    const first = await take(launcher);
    await give(launcher, first);
    const entry = launcher.view.node(first.backing);
    const explained = await until("what keeps it", async () => {
      const { facts } = await launcher.requests.explain({ name: `nodes/${first.backing}` }, callContext);
      return facts?.find((fact) => /goes in \d+ s unless a node comes/.test(fact));
    });
    assert.match(explained, /0 of 2 slots of label share in use/);
    await untilBacking(launcher, first.backing);
    const told = entry?.record ? sharedOf(entry.record) : null;
    assert.ok(entry?.record && told);
    // As if it had been launched long ago.
    const record = { ...entry.record, userData: encodeShared({ ...told, launched: 0 }) };
    await launcher.session.set(nodePath(first.backing), encodeNode(record), entry.version);
    await untilBacking(launcher);
  });

  it("puts nothing more onto a backing node that is older than max-age, and lets it go when it is empty", async () => {
    const launcher = await begin(new FakeProvider("cloud"), {
      share: { "max-age": 300, "grace-time": 3600 },
    });
    const first = await take(launcher);
    const entry = launcher.view.node(first.backing);
    const told = entry?.record ? sharedOf(entry.record) : null;
    assert.ok(entry?.record && told);
    const old = { ...entry.record, userData: encodeShared({ ...told, launched: Date.now() / 1000 - 301 }) };
    await launcher.session.set(nodePath(first.backing), encodeNode(old), entry.version);
    await until("it is seen", () => launcher.view.node(first.backing)?.version === entry.version + 1);
    const second = await take(launcher);
    assert.notEqual(second.backing, first.backing);
    await give(launcher, first);
    await untilBacking(launcher, second.backing);
  });

  it("drops a backing node that has vanished, and deletes ready nodes on it", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const setting = shared(cloud, { share: { "grace-time": 3600 } });
    const labels = { ...setting.labels, share: { minReady: 1 } };
    const launcher = await one.launcher({ ...setting, labels }, { cleanupIntervalMs: 200 });
    const ready = await until("a ready node", () =>
      [...launcher.view.nodes()].find(
        ({ record }) => record?.provider === "meta" && record.state === "ready",
      ),
    );
    const backing = ready.record ? (shareOf(ready.record)?.backingNode ?? "") : "";
    await launcher.nodes.deleteNode({ name: `nodes/${backing}` }, callContext);
    await until("the ready node is replaced", () => {
      const found = [...launcher.view.nodes()].find(
        ({ record }) => record?.provider === "meta" && record.state === "ready",
      );
      return found !== undefined && found.id !== ready.id;
    });
    await until("the old one is gone", () => launcher.view.node(ready.id) === undefined);
    assert.equal(launcher.view.node(backing), undefined);
  });

  it("deletes all ready nodes on a backing node that has vanished, however many they are", async () => {
    one = await cases.begin("cloud");
    const setting = shared(new FakeProvider("cloud"), {
      share: { "max-parallel-jobs": 6, "grace-time": 3600 },
    });
    const labels = { ...setting.labels, share: { minReady: 6 } };
    const launcher = await one.launcher({ ...setting, labels }, { cleanupIntervalMs: 200 });
    const on = (backing: string) =>
      [...launcher.view.nodes()].filter(
        ({ record }) => record?.state === "ready" && shareOf(record)?.backingNode === backing,
      );
    const backing = await until("six ready nodes", () =>
      backingOf(launcher).find((id) => on(id).length === 6),
    );
    await launcher.nodes.deleteNode({ name: `nodes/${backing}` }, callContext);
    await until("the nodes on it are gone", () => on(backing).length === 0);
    await until("others are ready", () => backingOf(launcher).some((id) => on(id).length === 6));
  });

  it("gives a backing node back whose machine is gone, and hands out no node on it, though no host key is asked for", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const setting = shared(cloud, { share: { "max-parallel-jobs": 3, "grace-time": 3600 } });
    const labels = { ...setting.labels, share: { minReady: 1 } };
    const launcher = await one.launcher({ ...setting, labels }, { cleanupIntervalMs: 200 });
    const isReadyOn = (backing: string) => (node: NodeEntry) =>
      node.record?.state === "ready" && shareOf(node.record)?.backingNode === backing;
    const first = await take(launcher);
    const { backing } = first;
    const idle = await until("an idle node", () => [...launcher.view.nodes()].find(isReadyOn(backing)));
    cloud.instances.delete(String(recordOf(launcher, backing).externalId));
    await until("the idle node is gone", () => launcher.view.node(idle.id) === undefined);
    await until("another one in its place", () =>
      backingOf(launcher).some((id) => id !== backing && [...launcher.view.nodes()].some(isReadyOn(id))),
    );
    assert.match(
      recordOf(launcher, backing).comment ?? "",
      /takes no further nodes: its instance is gone or does not run any more/,
    );
    for (let count = 0; count < 2; count += 1) assert.notEqual((await take(launcher)).backing, backing);
    // Whoever works on it returns it.
    assert.equal(recordOf(launcher, first.id).state, "in-use");
    await give(launcher, first);
    await until("the backing node is gone", () => launcher.view.node(backing) === undefined);
  });

  it("says which nodes stay shared when their provider is taken out of the configuration", async () => {
    one = await cases.begin("cloud");
    const told: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      warn: (message, { nodes, provider } = {}) => {
        if (nodes !== undefined) told.push(`${message}: ${nodes} of ${provider}`);
      },
    };
    const setting = shared(new FakeProvider("cloud"), { share: { "grace-time": 3600 } });
    const launcher = await one.launcher(setting, { logger });
    await give(launcher, await take(launcher));
    const providers = setting.providers.slice(0, 1);
    await launcher.service.reconfigure?.({
      config: configOf({ ...setting, providers }),
      providers: providers.map(({ driver }) => driver),
      unserved: [],
    });
    assert.deepEqual(told, ["a provider was removed while nodes of it are there: 1 of meta"]);
  });
});
