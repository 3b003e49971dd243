// The fake cloud, in this process and over its socket.
import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import ssh2 from "ssh2";
import { localConfig } from "../../../test/harness/local_provider.ts";
import { silentLogger } from "../../std/logger.ts";
import { METADATA, type Provider, ProviderError } from "../contract.ts";
import { type Abilities, type ProviderUnderTest, testProvider } from "../contract_suite.ts";
import { openProvider } from "../registry.ts";
import type { CloudApi } from "./api.ts";
import { FakeCloud } from "./cloud.ts";
import { CloudClient } from "./cloud_client.ts";
import { serveCloud } from "./cloud_server.ts";
import { CloudProvider, FakeProvider } from "./fake_provider.ts";

const ABILITIES: Abilities = {
  login: false,
  faults: [
    "loseCreateReply",
    "loseDeleteReply",
    "refuseNextCall",
    "failNextBoot",
    "exhaustQuota",
    "hang",
    "addForeignInstance",
    "addForeignImage",
    "addLeftover",
  ],
};

async function place(reach: (cloud: FakeCloud) => Promise<{ api: CloudApi; close(): Promise<void> }>) {
  const directory = await mkdtemp(join(tmpdir(), "nodepool-fake-"));
  const path = join(directory, "image.qcow2");
  await writeFile(path, "an image");
  const cloud = new FakeCloud({ images: "uploaded", zones: ["east", "west"] });
  const { api, close } = await reach(cloud);
  const { weather } = cloud;
  const signal = () => AbortSignal.timeout(60_000);
  const under: ProviderUnderTest = {
    provider: new CloudProvider("here", api),
    image: { path, format: "qcow2", mark: "" },
    username: "zuul",
    privateKey: "",
    faults: {
      loseCreateReply: () => {
        weather.loseCreateReplies = 1;
      },
      loseDeleteReply: () => {
        weather.loseDeleteReplies = 1;
      },
      refuseNextCall: () => {
        weather.refuseCalls = 1;
      },
      failNextBoot: () => {
        weather.failBoots = 1;
      },
      exhaustQuota: () => {
        weather.quota = cloud.instances.size;
        return () => {
          weather.quota = Number.POSITIVE_INFINITY;
        };
      },
      hang: () => {
        for (const call of ["listInstances", "createInstance", "deleteInstance"] as const)
          weather.hang.add(call);
        return () => weather.hang.clear();
      },
      addForeignInstance: (metadata) => cloud.add("theirs", metadata, "running").externalId,
      addForeignImage: (metadata) => cloud.createImage({ name: "theirs", metadata }, signal()),
      addLeftover: (metadata) => cloud.addLeftover("floating ip", metadata),
    },
    close: async () => {
      await close();
      await rm(directory, { recursive: true });
    },
  };
  return under;
}

testProvider(
  "the fake cloud in this process",
  () => place(async (api) => ({ api, close: async () => {} })),
  null,
  ABILITIES,
);

testProvider(
  "the fake cloud behind a socket",
  () =>
    place(async (cloud) => {
      const server = await serveCloud(cloud);
      return { api: new CloudClient(server.address), close: () => server.close() };
    }),
  null,
  ABILITIES,
);

describe("a provider with driver: fake", () => {
  const signal = () => AbortSignal.timeout(60_000);
  const open = (settings: object, name = "cloud", driver = "fake") =>
    openProvider({ ...localConfig({ ...settings }), name, driver }, { logger: silentLogger });
  const spec = (provider: Provider, more: { az?: string } = {}) => ({
    name: "np1",
    pool: "main",
    label: "small",
    imageExternalId: "any",
    username: null,
    az: more.az ?? null,
    request: null,
    metadata: { [METADATA.provider]: provider.name, [METADATA.launchToken]: "1" },
  });

  test("is never taken for the sake of its name", async () => {
    await assert.rejects(open({}, "fake-cloud", "aws"), /driver 'aws' is not served/);
    assert.equal((await open({ engine: "process" }, "fake-cloud", "local")).driver, "local");
  });

  test("has the keys of other drivers ignored, and its own checked", async () => {
    const provider = await open({ cloud: "rax", "region-name": "DFW", rate: 1, networks: ["private"] });
    await provider.start(signal());
    assert.match(provider.describe().summary, /fake cloud/);
    await assert.rejects(open({ latency: "much" }), /provider cloud: latency is "much"; it must be a number/);
    await assert.rejects(open({ zones: "a" }), /zones is "a"; it must be a list of names/);
    await assert.rejects(open({ "host-keys": 1 }), ProviderError);
  });

  test("takes what a label takes from its cores and ram", async () => {
    const provider = await open({});
    assert.deepEqual(provider.resourcesOf("main", "small"), { instances: 1, cores: 1, ram: 256 });
  });

  test("launches into the zone that is asked for", async () => {
    const provider = await open({ zones: ["a", "b"] }, "zoned");
    await provider.start(signal());
    const instance = await provider.createInstance(spec(provider, { az: "b" }), async () => {}, signal());
    assert.equal(instance.az, "b");
    await provider.stop();
  });

  test("shows host keys where it is told to", async () => {
    const provider = await open({ "host-keys": true }, "shown");
    await provider.start(signal());
    const instance = await provider.createInstance(spec(provider), async () => {}, signal());
    const shown = await new Promise<string>((resolve) => {
      const client = new ssh2.Client();
      const hostVerifier = (key: Buffer) => {
        resolve(key.toString("latin1"));
        return false;
      };
      client.on("error", () => {});
      client.connect({
        username: "zuul",
        host: instance.interfaceIp ?? "",
        port: instance.connectionPort ?? 0,
        hostVerifier,
      });
    });
    assert.match(shown, /ssh-ed25519/);
    await provider.stop();
  });
});

describe("the weather of a fake cloud", () => {
  const signal = () => AbortSignal.timeout(60_000);
  const wish = (name: string) => ({
    name,
    image: "any",
    az: null,
    metadata: {},
    resources: { instances: 1 },
  });

  test("shows instances late, and gone ones for a while", async () => {
    let now = 1_000_000;
    const clock = { now: () => now, sleep: async () => {}, after: () => () => {} };
    const cloud = new FakeCloud({ clock });
    cloud.weather.listLagMs = 5000;
    const { externalId } = await cloud.createInstance(wish("one"), signal());
    assert.deepEqual(await cloud.listInstances(signal()), []);
    now += 5000;
    assert.equal((await cloud.listInstances(signal())).length, 1);
    await cloud.deleteInstance(externalId, signal());
    assert.equal((await cloud.listInstances(signal())).length, 1);
    now += 5000;
    assert.deepEqual(await cloud.listInstances(signal()), []);
  });

  test("refuses more calls a second than it allows", async () => {
    const clock = { now: () => 1_000_000, sleep: async () => {}, after: () => () => {} };
    const cloud = new FakeCloud({ clock });
    cloud.weather.callsPerSecond = 2;
    await cloud.limits(signal());
    await cloud.limits(signal());
    await assert.rejects(cloud.limits(signal()), /429/);
  });

  test("keeps no record of its calls where nobody looks at it", async () => {
    const cloud = new FakeCloud({ keepsRecord: false });
    const { externalId } = await cloud.createInstance(wish("one"), signal());
    await cloud.deleteInstance(externalId, signal());
    assert.deepEqual([cloud.calls, cloud.made], [[], []]);
  });

  test("lets a delete lie, and leave a port behind", async () => {
    const provider = new FakeProvider("cloud");
    const { cloud, weather } = provider;
    const { externalId } = await cloud.createInstance(wish("one"), signal());
    weather.lieDeletes = 1;
    await provider.deleteInstance(externalId, signal());
    assert.equal(cloud.instances.size, 1);
    weather.leavePorts = 1;
    await provider.deleteInstance(externalId, signal());
    assert.deepEqual(
      [...cloud.leftovers.values()].map(({ kind }) => kind),
      ["port"],
    );
  });

  test("makes a storm in which calls fail before or after their effect", async () => {
    const cloud = new FakeCloud();
    const dice = [0.1, 0.4, 0.9];
    cloud.weather.storm = { rate: 0.5, random: () => dice.shift() ?? 1 };
    await assert.rejects(cloud.createInstance(wish("before"), signal()), /unavailable/);
    await assert.rejects(cloud.createInstance(wish("after"), signal()), /lost/);
    await cloud.createInstance(wish("calm"), signal());
    assert.deepEqual(
      [...cloud.instances.values()].map(({ name }) => name),
      ["after", "calm"],
    );
  });
});
