// Hosts of a static provider, with real SSH servers and a real ZooKeeper: how their slots are recorded.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { HostStage } from "../harness/host_stage.ts";
import { hostsConfig, recordsIn, reloadHosts, untilSlots } from "../harness/hosts.ts";
import { until } from "../harness/launcher.ts";
import { ask, fulfilled, idOf, release } from "../harness/launcher_case.ts";
import { KEY_KINDS } from "../harness/sshd.ts";

describe("hosts that are there already", () => {
  let stage: HostStage;
  before(async () => {
    stage = await HostStage.open();
  });
  after(() => stage.close());
  afterEach(() => stage.end());

  it("are recorded as Nodepool records them", async () => {
    const launcher = await stage.begin([stage.host({ "shell-type": "cmd", "python-path": "/opt/python" })], {
      "node-attributes": { rack: "r1" },
    });
    await untilSlots(launcher, `0 ready ${stage.at()} small`);
    const [record] = recordsIn(launcher);
    assert.ok(record);
    const { stateTime, createdTime, extra, ...fields } = record;
    assert.ok(stateTime > 0 && createdTime === stateTime);
    assert.deepEqual(extra, {});
    assert.deepEqual(fields, {
      state: "ready",
      cloud: null,
      provider: "lab",
      pool: "main",
      type: ["small"],
      allocatedTo: null,
      az: null,
      region: null,
      publicIpv4: "127.0.0.1",
      privateIpv4: null,
      publicIpv6: null,
      hostId: null,
      interfaceIp: "127.0.0.1",
      connectionPort: stage.sshd.port,
      sshPort: stage.sshd.port,
      imageId: null,
      launcher: "static driver",
      externalId: "127.0.0.1",
      hostname: "127.0.0.1",
      comment: null,
      userData: null,
      holdJob: null,
      hostKeys: [stage.key.line],
      username: "zuul",
      connectionType: "ssh",
      shellType: "cmd",
      holdExpiration: null,
      resources: null,
      slot: 0,
      attributes: { rack: "r1" },
      pythonPath: "/opt/python",
      tenantName: null,
      driverData: null,
      requestor: null,
    });
  });

  it("come back in the same slot at once, with all their settings, after they were used", async () => {
    const launcher = await stage.begin([
      stage.host({ "shell-type": "cmd", "python-path": "/opt/python", "max-parallel-jobs": 2 }),
    ]);
    await untilSlots(launcher, `0 ready ${stage.at()} small`, `1 ready ${stage.at()} small`);
    const name = await ask(launcher, ["small"]);
    const [node] = await fulfilled(launcher, name);
    const used = launcher.view.node(idOf(node?.name))?.record;
    await release(launcher, name);
    await until("a new record", () => launcher.view.node(idOf(node?.name)) === undefined, 60_000);
    await untilSlots(launcher, `0 ready ${stage.at()} small`, `1 ready ${stage.at()} small`);
    const again = recordsIn(launcher).find(({ slot }) => slot === used?.slot);
    assert.deepEqual(
      [again?.shellType, again?.pythonPath, again?.hostKeys, again?.allocatedTo, again?.requestor],
      ["cmd", "/opt/python", [stage.key.line], null, null],
    );
  });

  it("are known by name, user and port, each with records of its own", async () => {
    const other = await stage.servers.start([stage.key]);
    const hosts = [
      stage.host(),
      stage.host({ username: "root", labels: ["admin"] }),
      stage.host({ "connection-port": other.port, labels: "small large" }),
    ];
    const launcher = await stage.begin(hosts);
    const lines = [
      `0 ready ${stage.at()} small`,
      `0 ready ${stage.at("root")} admin`,
      `0 ready ${stage.at("zuul", other.port)} small,large`,
    ];
    await untilSlots(launcher, ...lines);
    const name = await ask(launcher, ["admin"]);
    const [node] = await fulfilled(launcher, name);
    assert.equal(node?.username, "root");
    await release(launcher, name);
    await until("a new record", () => launcher.view.node(idOf(node?.name)) === undefined, 60_000);
    await untilSlots(launcher, ...lines);
    await other.stop();
  });

  it("that have no address, whose key is wrong or cannot be read, are named, and the others are served", async () => {
    const wrong = await stage.servers.key();
    const launcher = await stage.begin([
      stage.host(),
      stage.host({ name: "no-such-host.invalid", labels: ["lost"] }),
      stage.host({ username: "one", "host-key": wrong.line }),
      stage.host({ username: "two", "host-key": "ssh-ed25519 AAAA" }),
    ]);
    await untilSlots(
      launcher,
      `0 ready ${stage.at()} small`,
      `0 testing zuul@no-such-host.invalid:${stage.sshd.port} lost`,
      `0 testing ${stage.at("one")} small`,
      `0 testing ${stage.at("two")} small`,
    );
    const commentOf = (word: string) =>
      recordsIn(launcher).find(({ username }) => username === word)?.comment;
    assert.match(
      recordsIn(launcher).find(({ type }) => type.includes("lost"))?.comment ?? "",
      /name no-such-host.invalid does not resolve \((ENOTFOUND|EAI_AGAIN)\)/,
    );
    assert.match(commentOf("one") ?? "", /host key is not that of the configuration: it shows .*SHA256:/);
    assert.match(commentOf("two") ?? "", /host-key in the configuration cannot be read: .*cut off/);
  });

  it("may name a key of each type, as the server has it, and are scanned where they name none", async () => {
    const keys = await Promise.all(KEY_KINDS.map((kind) => stage.servers.key(kind)));
    const all = await stage.servers.start(keys);
    const hosts = [
      ...keys.map((one, index) =>
        stage.host({ username: `u${index}`, "connection-port": all.port, "host-key": one.line }),
      ),
      stage.host({ username: "scanned", "connection-port": all.port, "host-key": [] }),
    ];
    const launcher = await stage.begin(hosts);
    await untilSlots(
      launcher,
      ...hosts.map(({ username }) => `0 ready ${stage.at(`${username}`, all.port)} small`),
    );
    const keysOf = (user: string) => recordsIn(launcher).find(({ username }) => username === user)?.hostKeys;
    for (const [index, one] of keys.entries()) assert.deepEqual(keysOf(`u${index}`), [one.line]);
    const scanned = keysOf("scanned") ?? [];
    assert.deepEqual([...scanned].sort(), keys.map(({ line }) => line).sort());
    await all.stop();
  });

  it("are not connected to where host-key-checking is off", async () => {
    const closed = await stage.servers.start([stage.key]);
    await closed.stop();
    const off = { "connection-port": closed.port, "host-key-checking": false, "host-key": stage.key.line };
    const launcher = await stage.begin([stage.host(off)]);
    await untilSlots(launcher, `0 ready ${stage.at("zuul", closed.port)} small`);
    assert.deepEqual(recordsIn(launcher)[0]?.hostKeys, [stage.key.line]);
    await reloadHosts(launcher, hostsConfig([stage.host({ ...off, "host-key-checking": true })]));
    await untilSlots(launcher, `0 testing ${stage.at("zuul", closed.port)} small`);
  });
});
