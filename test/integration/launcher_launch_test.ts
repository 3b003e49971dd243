// How nodes are launched, and what becomes of launches that fail, at a cloud in any weather.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PoolLabelConfig, ProviderConfig } from "../../lib/config/types.ts";
import { METADATA } from "../../lib/provider/contract.ts";
import { FakeCloud } from "../../lib/provider/fake/cloud.ts";
import type { Logger } from "../../lib/std/logger.ts";
import type { LauncherOptions } from "../../services/launcher/launcher.ts";
import { FakeProvider } from "../harness/fake_provider.ts";
import { putImage, type Setting, type TestLauncher, until } from "../harness/launcher.ts";
import {
  ask,
  callContext,
  fulfilled,
  idOf,
  type LauncherCase,
  look,
  release,
  untilStates,
} from "../harness/launcher_case.ts";
import { launcherCases } from "../harness/suites.ts";

const LABEL: PoolLabelConfig = {
  name: "small",
  diskimage: "image",
  cloudImage: null,
  hostKeyChecking: true,
  consoleLog: false,
  settings: {},
};

interface Wishes extends LauncherOptions {
  readonly label?: Partial<PoolLabelConfig>;
  readonly config?: Partial<ProviderConfig>;
  readonly pool?: Partial<Setting["providers"][number]["pools"][number]>;
  readonly logger?: Logger;
}

/** A scan that fails so often, and then finds a key. */
function scans(failures: number) {
  const seen: string[] = [];
  const timeouts: number[] = [];
  const scanHostKeys: LauncherOptions["scanHostKeys"] = async ({ host, port, timeoutMs }) => {
    seen.push(`${host}:${port}`);
    timeouts.push(timeoutMs);
    if (seen.length <= failures) throw new Error(`Timeout connecting to ${host} on port ${port}`);
    return ["ssh-ed25519 AAAA"];
  };
  return { seen, timeouts, scanHostKeys };
}

async function failed(launcher: TestLauncher, name: string): Promise<string> {
  return await until(`${name} failed`, async () => {
    const { request } = await look(launcher, name);
    return request.state === "STATE_FAILED" && request.reason;
  });
}

const times = (cloud: FakeProvider, call: string) =>
  cloud.calls.filter((made) => made.startsWith(call)).length;

describe("a launch", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  const begin = async ({ label, config, pool, ...options }: Wishes = {}, zones: string[] = []) => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud", new FakeCloud({ zones }));
    const pools = [{ name: "main", offers: ["small"], labels: [{ ...LABEL, ...label }], ...pool }];
    const setting: Setting = {
      labels: { small: {} },
      providers: [{ driver: cloud, pools, ...(config === undefined ? {} : { config }) }],
    };
    return { cloud, launcher: await one.launcher(setting, options) };
  };

  it("leaves a node that says all there is to know, and an instance that says whose it is", async () => {
    const wishes = { pool: { nodeAttributes: { "executor-zone": "west" } } };
    const { cloud, launcher } = await begin(wishes, ["z1"]);
    const name = await ask(launcher, ["small"], { tenant: "acme" });
    await fulfilled(launcher, name);
    const [entry] = launcher.view.nodes();
    const record = entry?.record;
    assert.ok(entry && record);
    const { state, type, provider, pool, az, username, pythonPath, connectionType, connectionPort } = record;
    assert.deepEqual(
      { state, type, provider, pool, az, username, pythonPath, connectionType },
      {
        state: "in-use",
        type: ["small"],
        provider: "cloud",
        pool: "main",
        az: "z1",
        username: "zuul",
        pythonPath: "auto",
        connectionType: "ssh",
      },
    );
    assert.deepEqual(
      [record.tenantName, record.requestor, record.allocatedTo],
      ["acme", "tester", idOf(name)],
    );
    assert.deepEqual(record.hostKeys, ["ssh-ed25519 AAAA"]);
    assert.deepEqual(record.resources, { instances: 1, cores: 1, ram: 1024 });
    assert.deepEqual(record.attributes, { "executor-zone": "west", engine: "fake" });
    assert.match(
      record.imageId ?? "",
      /^\/nodepool\/images\/image\/builds\/\w+\/providers\/cloud\/images\/\d{10}$/,
    );
    const [instance] = cloud.instances.values();
    assert.deepEqual([record.externalId, connectionPort], [instance?.externalId, instance?.connectionPort]);
    assert.equal(instance?.name, `np${entry.id}`);
    const { metadata } = instance;
    assert.deepEqual(
      [
        metadata[METADATA.provider],
        metadata[METADATA.pool],
        metadata[METADATA.node],
        metadata[METADATA.image],
      ],
      ["cloud", "main", entry.id, "image"],
    );
    assert.equal(metadata.groups, "cloud,image,small");
    assert.equal(
      metadata[METADATA.launchToken],
      `${entry.id}-${Math.round((entry.record?.createdTime ?? 0) * 1000)}-1`,
    );
  });

  it("is tried exactly launch-retries times, and its request fails with the reason", async () => {
    const { cloud, launcher } = await begin({ config: { launchRetries: 2 } });
    cloud.weather.failCreates = 100;
    assert.match(await failed(launcher, await ask(launcher, ["small"])), /^cloud\/main: .*out of order/);
    assert.equal(times(cloud, "create"), 2);
    await untilStates(launcher);
  });

  it("ends after launch-timeout when the instance never runs, and leaves none", async () => {
    const { cloud, launcher } = await begin({ config: { launchRetries: 1, launchTimeout: 0.3 } });
    cloud.weather.createMs = 600_000;
    const reason = await failed(launcher, await ask(launcher, ["small"]));
    assert.match(reason, /launch-timeout: not ready after 0.3 s/);
    await untilStates(launcher);
    assert.equal(cloud.instances.size, 0);
  });

  it("ends after launch-timeout when the provider never answers", async () => {
    const { cloud, launcher } = await begin({ config: { launchRetries: 1, launchTimeout: 0.3 } });
    cloud.weather.hang.add("createInstance");
    assert.match(await failed(launcher, await ask(launcher, ["small"])), /launch-timeout/);
    cloud.weather.hang.clear();
    await fulfilled(launcher, await ask(launcher, ["small"]));
  });

  it("goes on after one key scan that failed, with another instance", async () => {
    const { seen, scanHostKeys } = scans(1);
    const { cloud, launcher } = await begin({ scanHostKeys });
    const [node] = await fulfilled(launcher, await ask(launcher, ["small"]));
    assert.equal(seen.length, 2);
    assert.deepEqual([cloud.cloud.made.length, cloud.instances.size], [2, 1]);
    assert.equal(node?.name, "nodes/0000000000", "it is the same node");
  });

  it("takes the newest image at each attempt, and the node says which it was", async () => {
    const image = async () => await putImage(await one.session(), ["cloud"]);
    const scanned: (string | undefined)[] = [];
    const { cloud, launcher } = await begin({
      config: { launchTimeout: 600 },
      scanHostKeys: async () => {
        const [instance] = [...cloud.instances.values()].slice(-1);
        scanned.push(instance?.metadata[METADATA.build]);
        if (scanned.length > 1) return ["ssh-ed25519 AAAA"];
        await image();
        await until("the new image is known", () => launcher.view.image("image")?.builds.length === 2);
        throw new Error("nobody answers");
      },
    });
    await fulfilled(launcher, await ask(launcher, ["small"]));
    const [node] = launcher.view.nodes();
    assert.notEqual(scanned[1], scanned[0]);
    assert.equal(node?.record?.imageId?.split("/")[5], scanned[1]);
  });

  it("gives each key scan the provider's boot-timeout", async () => {
    const { timeouts, scanHostKeys } = scans(0);
    const { launcher } = await begin({ scanHostKeys, config: { bootTimeout: 7 } });
    await fulfilled(launcher, await ask(launcher, ["small"]));
    assert.deepEqual(timeouts, [7000]);
  });

  it("fails when every key scan fails, and the console is logged line by line, once an attempt, the last 200 of them", async () => {
    const lines: string[] = [];
    const logger: Logger = {
      debug: () => {},
      info: (message, fields) => void (message === "console" && lines.push(String(fields?.line))),
      warn: () => {},
      error: () => {},
      child: () => logger,
    };
    const { scanHostKeys } = scans(100);
    const wishes = { scanHostKeys, logger, label: { consoleLog: true }, config: { launchRetries: 2 } };
    const { cloud, launcher } = await begin(wishes);
    const long = Array.from({ length: 300 }, (_, number) => `line ${number}`);
    const consoles = ["booting\n\nno disk\npanic\n", `${long.join("\n")}\n`];
    cloud.consoleLog = async () => consoles.shift() ?? null;
    const name = await ask(launcher, ["small"]);
    assert.match(await failed(launcher, name), /Timeout connecting to 127.0.0.1 on port/);
    assert.deepEqual(lines, ["booting", "no disk", "panic", ...long.slice(-200)]);
    await untilStates(launcher);
    assert.equal(cloud.instances.size, 0);
  });

  it("scans keys over ssh and network_cli, and not over others nor where it is told not to", async () => {
    const image = (connectionType: string) => ({
      diskimages: [{ name: "image", connectionType, connectionPort: 22 } as never],
    });
    const cases = [
      [{}, 1],
      [{ config: image("network_cli") }, 1],
      [{ config: image("winrm") }, 0],
      [{ label: { hostKeyChecking: false } }, 0],
    ] as const;
    for (const [wishes, count] of cases) {
      const { seen, scanHostKeys } = scans(0);
      const { launcher } = await begin({ ...wishes, scanHostKeys });
      const [node] = await fulfilled(launcher, await ask(launcher, ["small"]));
      assert.deepEqual([seen.length, node?.hostKeys.length], [count, count]);
      await one.end();
    }
  });

  it("whose create was answered 503 after its effect ends with one instance, and none stays behind", async () => {
    const { cloud, launcher } = await begin();
    cloud.weather.loseCreateReplies = 1;
    const name = await ask(launcher, ["small"]);
    await fulfilled(launcher, name);
    assert.deepEqual([cloud.cloud.made.length, cloud.instances.size], [2, 1]);
    await release(launcher, name);
    await untilStates(launcher);
    assert.equal(cloud.instances.size, 0);
  });

  it("removes what a failed attempt has left, however often the cloud refuses that", async () => {
    const { cloud, launcher } = await begin();
    Object.assign(cloud.weather, { failBoots: 1, failDeletes: 1 });
    await fulfilled(launcher, await ask(launcher, ["small"]));
    assert.deepEqual([cloud.cloud.made.length, cloud.instances.size], [2, 1]);
  });

  it("of an instance that vanishes is tried again", async () => {
    const { cloud, launcher } = await begin();
    cloud.weather.vanish = 1;
    await fulfilled(launcher, await ask(launcher, ["small"]));
    assert.deepEqual([cloud.cloud.made.length, cloud.instances.size], [2, 1]);
  });

  it("puts all nodes of a request into one zone of the pool", async () => {
    const zones = ["z1", "z2", "z3"];
    const { launcher } = await begin({ pool: { settings: { "availability-zones": zones } } }, zones);
    const used = new Set<string>();
    for (let count = 0; count < 3; count += 1) {
      const nodes = await fulfilled(launcher, await ask(launcher, ["small", "small", "small"]));
      const places = new Set(nodes.map(({ availabilityZone }) => availabilityZone));
      assert.equal(places.size, 1);
      for (const place of places) used.add(place);
    }
    assert.deepEqual([...used].sort(), zones, "requests are spread over the zones");
  });

  it("puts all nodes of a request into one zone of the provider where the pool lists none", async () => {
    const { launcher } = await begin({}, ["z1", "z2", "z3"]);
    for (let count = 0; count < 3; count += 1) {
      const nodes = await fulfilled(launcher, await ask(launcher, ["small", "small", "small"]));
      assert.equal(new Set(nodes.map(({ availabilityZone }) => availabilityZone)).size, 1);
    }
  });

  it("that fails for good at one provider is made at the next, and nobody goes back to the first", async () => {
    one = await cases.begin("broken", "cloud");
    const [broken, cloud] = [new FakeProvider("broken"), new FakeProvider("cloud")];
    broken.weather.failCreates = 1_000_000;
    const first = { name: "main", offers: ["small"], priority: 1 };
    const launcher = await one.launcher({
      labels: { small: {} },
      providers: [
        { driver: broken, pools: [first], config: { launchRetries: 2 } },
        { driver: cloud, pools: [{ name: "main", offers: ["small"] }] },
      ],
    });
    const [node] = await fulfilled(launcher, await ask(launcher, ["small"]));
    assert.equal(node?.provider, "cloud");
    assert.equal(times(broken, "create"), 2);
    await untilStates(launcher, "in-use");
  });

  it("that is not deleted at its provider stays visible as deleting while another is made", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    cloud.weather.failDeletes = 1_000_000;
    const pools = [{ name: "main", offers: ["small"] }];
    const labels = { small: { minReady: 1 } };
    const launcher = await one.launcher({ labels, providers: [{ driver: cloud, pools }] });
    await untilStates(launcher, "ready");
    const [node] = launcher.view.nodes();
    await launcher.nodes.deleteNode({ name: `nodes/${node?.id}` }, callContext);
    await untilStates(launcher, "deleting", "ready");
    cloud.weather.failDeletes = 0;
    await untilStates(launcher, "ready");
  });
});
