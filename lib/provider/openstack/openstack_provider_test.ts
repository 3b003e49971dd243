import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import {
  type Script,
  type ScriptOptions,
  startScriptedOpenStack,
} from "../../../test/harness/scripted_openstack.ts";
import { parseConfig } from "../../config/load.ts";
import { type Clock, systemClock } from "../../std/clock.ts";
import { silentLogger } from "../../std/logger.ts";
import { type InstanceSpec, METADATA, NotFoundError, ProviderError, QuotaError } from "../contract.ts";
import { openOpenStackProvider } from "./openstack_provider.ts";

const cleanups: (() => Promise<void>)[] = [];
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

/** The system's clock, whose sleeps take a hundredth of their time and which runs a hundred times as fast. */
function fastClock(): Clock {
  const start = systemClock.now();
  return {
    now: () => start + (systemClock.now() - start) * 100,
    sleep: (milliseconds, signal) => systemClock.sleep(milliseconds / 100, signal),
    after: (milliseconds, callback) => systemClock.after(milliseconds, callback),
  };
}

interface Given extends ScriptOptions {
  /** Keys of the label, the pool and the provider, as YAML in one line. */
  readonly label?: string;
  readonly pool?: string;
  readonly provider?: string;
}

/** A started provider `p` with the label `small` of the pool `main`. */
async function setUp(script: Script, given: Given = {}) {
  const cloud = await startScriptedOpenStack(script, given);
  const folder = await mkdtemp(join(tmpdir(), "nodepool-openstack-"));
  await writeFile(join(folder, "clouds.yaml"), cloud.cloudsYaml());
  const text = [
    "labels: [{name: small}]",
    "diskimages: [{name: img}]",
    "providers:",
    `  - {name: p, driver: openstack, cloud: scripted, rate: 0, diskimages: [{name: img}], ${given.provider ?? ""}`,
    `     pools: [{name: main, auto-floating-ip: false, ${given.pool ?? ""}`,
    `       labels: [{name: small, ${given.label ?? "diskimage: img, min-ram: 64"}}]}]}`,
  ].join("\n");
  const [config] = parseConfig(text, "nodepool.yaml").providers;
  assert.ok(config);
  const provider = openOpenStackProvider(config, {
    logger: silentLogger,
    clock: fastClock(),
    stateDir: null,
    ownsInstances: false,
    hostsInstances: false,
    env: { OS_CLIENT_CONFIG_FILE: join(folder, "clouds.yaml") },
  });
  cleanups.push(async () => {
    await provider.stop();
    await cloud.close();
    await rm(folder, { recursive: true });
  });
  return { cloud, provider };
}

const signal = AbortSignal.timeout(60_000);
const spec = (changes: Partial<InstanceSpec> = {}): InstanceSpec => ({
  name: "np0000000001",
  pool: "main",
  label: "small",
  imageExternalId: "image-1",
  username: null,
  az: null,
  request: null,
  metadata: { [METADATA.provider]: "p", [METADATA.node]: "0000000001", [METADATA.launchToken]: "t1" },
  ...changes,
});

const server = (changes: Readonly<Record<string, unknown>> = {}) => ({
  id: "s1",
  name: "np0000000001",
  status: "ACTIVE",
  metadata: spec().metadata,
  addresses: { inside: [{ addr: "10.0.0.5", version: 4, "OS-EXT-IPS:type": "fixed" }] },
  ...changes,
});

/** A Nova whose create puts a server into the list and answers `created`. */
function novaWith(
  created: { status: number; body?: unknown; isLost?: boolean },
  made: Readonly<Record<string, unknown>> | null = server(),
) {
  const list: Readonly<Record<string, unknown>>[] = [];
  const script: Script = ({ method, path }) => {
    if (path.startsWith("/servers/detail")) return { status: 200, body: { servers: list } };
    if (method === "POST" && path === "/servers") {
      if (made !== null) list.push(made);
      return created;
    }
    if (method === "DELETE" && path.startsWith("/servers/")) {
      list.splice(0);
      return { status: 204 };
    }
    return undefined;
  };
  return { list, script };
}

const accepted = { status: 202, body: { server: { id: "s1" } } };
const create = (
  provider: Awaited<ReturnType<typeof setUp>>["provider"],
  changes: Partial<InstanceSpec> = {},
) => provider.createInstance(spec(changes), async () => {}, signal);

describe("launches in OpenStack", () => {
  test("a create whose answer is lost finds its server by name and token, and makes no second one", async () => {
    for (const answer of [
      { status: 500, body: {} },
      { status: 0, isLost: true },
    ]) {
      const { cloud, provider } = await setUp(novaWith(answer).script);
      await provider.start(signal);
      const instance = await create(provider);
      assert.deepEqual([instance.externalId, instance.interfaceIp], ["s1", "10.0.0.5"]);
      assert.equal(cloud.calls.filter(({ method }) => method === "POST").length, 1);
    }
  });

  test("a create that was not answered and made nothing fails, to be tried again", async () => {
    const { provider } = await setUp(novaWith({ status: 500, body: {} }, null).script);
    await provider.start(signal);
    await assert.rejects(create(provider), (error) => error instanceof ProviderError && error.retryable);
  });

  test("a server of another launch of the node stands in the way, one of another provider does not", async () => {
    const other = { ...spec().metadata, [METADATA.launchToken]: "t0" };
    const mine = novaWith(accepted);
    mine.list.push(server({ id: "s0", metadata: other }));
    const first = await setUp(mine.script);
    await first.provider.start(signal);
    await assert.rejects(
      create(first.provider),
      /server s0 has the name np0000000001 and is of another launch \(t0\)/,
    );
    const theirs = novaWith(accepted);
    theirs.list.push(server({ id: "s0", metadata: { ...other, [METADATA.provider]: "q" } }));
    const second = await setUp(theirs.script);
    await second.provider.start(signal);
    assert.equal((await create(second.provider)).externalId, "s1");
  });

  test("every key of the label, the pool and the image reaches Nova", async () => {
    const { cloud, provider } = await setUp(
      ({ path, method, service }) => {
        if (service === "network" && path.startsWith("/networks")) {
          return { status: 200, body: { networks: [{ id: "n1", name: "inside" }] } };
        }
        return novaScript({ path, method });
      },
      {
        provider: "cloud-images: [{name: base, image-id: i7, config-drive: true}],",
        pool: "networks: [inside], security-groups: [web, ssh],",
        label:
          "cloud-image: base, flavor-name: small, key-name: k, boot-from-volume: true, volume-size: 7, userdata: '#!/bin/sh', " +
          "instance-properties: {colour: red, nodepool_node_id: mine}, dynamic-instance-properties: {job: '{request.requestor_data[job]}', bad: '{request.nothing}'}",
      },
    );
    const nova = novaWith(accepted);
    function novaScript(call: { path: string; method: string }) {
      if (call.path.startsWith("/images")) {
        return { status: 200, body: { images: [{ id: "i7-uuid", name: "i7", status: "active" }] } };
      }
      return nova.script({ ...call, service: "compute", body: "", headers: {} });
    }
    await provider.start(signal);
    const request = { id: "r", requestor: "zuul", tenant: null, fields: { requestor_data: { job: "unit" } } };
    await create(provider, { az: "zone-1", request, imageExternalId: "base" });
    const sent = cloud.calls.find(({ method, path }) => method === "POST" && path === "/servers");
    assert.deepEqual(JSON.parse(sent?.body ?? "").server, {
      name: "np0000000001",
      flavorRef: "f1",
      block_device_mapping_v2: [
        {
          boot_index: 0,
          source_type: "image",
          uuid: "i7-uuid",
          destination_type: "volume",
          volume_size: 7,
          delete_on_termination: true,
        },
      ],
      metadata: { ...spec().metadata, colour: "red", job: "unit" },
      networks: [{ uuid: "n1" }],
      security_groups: [{ name: "web" }, { name: "ssh" }],
      key_name: "k",
      availability_zone: "zone-1",
      config_drive: true,
      user_data: Buffer.from("#!/bin/sh").toString("base64"),
    });
    assert.deepEqual(provider.resourcesOf("main", "small"), {
      instances: 1,
      cores: 1,
      ram: 64,
      volumes: 1,
      "volume-gb": 7,
    });
  });

  test("what is left out of the configuration is left to Nova", async () => {
    const { cloud, provider } = await setUp(novaWith(accepted).script);
    await provider.start(signal);
    await create(provider);
    const sent = cloud.calls.find(({ method, path }) => method === "POST" && path === "/servers");
    assert.deepEqual(JSON.parse(sent?.body ?? "").server, {
      name: "np0000000001",
      flavorRef: "f1",
      imageRef: "image-1",
      metadata: spec().metadata,
    });
    assert.equal(sent?.headers["openstack-api-version"], undefined);
  });

  test("a quota is told apart, whether Nova refuses or the server ends by it, and no server stays", async () => {
    const refused = {
      status: 403,
      body: { forbidden: { message: "Quota exceeded for instances: Requested 1" } },
    };
    const first = await setUp(novaWith(refused, null).script);
    await first.provider.start(signal);
    await assert.rejects(create(first.provider), QuotaError);
    for (const message of ["Quota exceeded for resources: ['port']", "Maximum number of ports exceeded"]) {
      const nova = novaWith(accepted, server({ status: "ERROR", fault: { message } }));
      const { provider } = await setUp(nova.script);
      await provider.start(signal);
      await assert.rejects(create(provider), QuotaError);
      assert.deepEqual(nova.list, []);
    }
  });

  test("other faults of a server are told as Nova tells them", async () => {
    const fault = { message: "No valid host was found. " };
    const { provider } = await setUp(novaWith(accepted, server({ status: "ERROR", fault })).script);
    await provider.start(signal);
    const error = await create(provider).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof ProviderError && !(error instanceof QuotaError));
    assert.match(error.message, /server s1 of np0000000001 is in state ERROR: No valid host was found\.$/);
  });

  test("a word that Nova does not know is told with the key to look at", async () => {
    const answers: readonly (readonly [string, RegExp, typeof ProviderError])[] = [
      ["Invalid key_name provided.", /the key key-name of label 'small'/, ProviderError],
      ["The requested availability zone is not available", /the key availability-zones/, ProviderError],
      ["Unable to find security_group with name or id 'x'", /the key security-groups/, ProviderError],
      ["Can not find requested image", /label 'small' needs an image/, NotFoundError],
    ];
    for (const [message, pattern, kind] of answers) {
      const { provider } = await setUp(
        novaWith({ status: 400, body: { badRequest: { message } } }, null).script,
      );
      await provider.start(signal);
      const error = await create(provider).catch((thrown: unknown) => thrown);
      assert.ok(error instanceof kind && !error.retryable, message);
      assert.match(error.message, pattern);
      assert.match(error.message, /^provider p: Nova: POST \/servers answered 400/);
    }
  });

  test("a label without its flavor is told at the start, stops no other, and is launched once it is there", async () => {
    let flavors: unknown[] = [];
    const nova = novaWith(accepted);
    const { provider } = await setUp((call) =>
      call.path.startsWith("/flavors") ? { status: 200, body: { flavors } } : nova.script(call),
    );
    await provider.start(signal);
    assert.match(
      provider.describe().problem ?? "",
      /label 'small': no flavor has min-ram 64; the cloud has: none/,
    );
    await assert.rejects(create(provider), NotFoundError);
    flavors = [{ id: "f", name: "new", vcpus: 2, ram: 64 }];
    await fastClock().sleep(10_000);
    assert.equal((await create(provider)).externalId, "s1");
    assert.equal(provider.describe().problem, null);
    assert.deepEqual(provider.resourcesOf("main", "small"), { instances: 1, cores: 2, ram: 64 });
  });

  test("a server that Nova does nothing about is deleted again, and then given up with its state", async () => {
    let deletes = 0;
    const { provider } = await setUp(({ method, path }) => {
      if (method === "DELETE") deletes += 1;
      const fault = { message: "Failed to terminate instance" };
      return path.startsWith("/servers/detail")
        ? { status: 200, body: { servers: [server({ status: "ERROR", fault })] } }
        : undefined;
    });
    await provider.start(signal);
    await assert.rejects(
      provider.deleteInstance("s1", signal),
      /deleted 3 times and is still there: it is in state ERROR: Failed to terminate/,
    );
    assert.equal(deletes, 3);
  });
});

describe("what stays behind in OpenStack", () => {
  const list = (key: string, items: readonly unknown[]) => ({ status: 200, body: { [key]: items } });

  test("a port of no server that is DOWN for port-cleanup-interval is one; others are not", async () => {
    const port = (id: string, changes: object = {}) => ({
      id,
      status: "DOWN",
      device_id: "gone",
      device_owner: "compute:nova",
      ...changes,
    });
    const ports = [
      port("stray"),
      port("booting", { device_id: "s1" }),
      port("router", { device_owner: "network:router" }),
    ];
    const { cloud, provider } = await setUp(
      ({ path }) => {
        if (path.startsWith("/ports?")) return list("ports", ports);
        return path.startsWith("/servers/detail") ? list("servers", [server()]) : undefined;
      },
      { provider: "port-cleanup-interval: 20," },
    );
    await provider.start(signal);
    assert.deepEqual(await provider.listLeftovers?.(signal), []);
    await fastClock().sleep(25_000);
    const found = (await provider.listLeftovers?.(signal)) ?? [];
    assert.deepEqual(
      found.map(({ kind, externalId }) => `${kind} ${externalId}`),
      ["port stray"],
    );
    for (const leftover of found) await provider.deleteLeftover?.(leftover, signal);
    assert.equal(cloud.calls.at(-1)?.path, "/ports/stray");
    assert.match(
      cloud.calls.find(({ path }) => path.startsWith("/ports?"))?.path ?? "",
      /project_id=project-1/,
    );
  });

  test("an unattached floating address of ours is one, and anybody's with clean-floating-ips", async () => {
    const ours = `nodepool ${JSON.stringify({ provider: "p", node: "0000000007", server: "s" })}`;
    const others = `nodepool ${JSON.stringify({ provider: "q", node: "0000000007", server: "s" })}`;
    const floatingips = [
      { id: "ours", floating_ip_address: "192.0.2.1", port_id: null, description: ours },
      { id: "used", floating_ip_address: "192.0.2.2", port_id: "port", description: ours },
      { id: "nobody", floating_ip_address: "192.0.2.3", port_id: null, description: "" },
      { id: "other", floating_ip_address: "192.0.2.4", port_id: null, description: others },
    ];
    const script: Script = ({ path }) =>
      path.startsWith("/floatingips") ? list("floatingips", floatingips) : undefined;
    const careful = await setUp(script);
    await careful.provider.start(signal);
    const found = (await careful.provider.listLeftovers?.(signal)) ?? [];
    assert.deepEqual(
      found.map(({ externalId, node }) => [externalId, node]),
      [["ours", "0000000007"]],
    );
    const thorough = await setUp(script, { provider: "clean-floating-ips: true," });
    await thorough.provider.start(signal);
    const all = (await thorough.provider.listLeftovers?.(signal)) ?? [];
    assert.deepEqual(
      all.map(({ externalId }) => externalId),
      ["ours", "nobody"],
    );
  });

  test("a volume that Nova made of an image of ours and nothing uses is one", async () => {
    const volume = (id: string, changes: object = {}) => ({
      id,
      name: "",
      description: "",
      status: "available",
      attachments: [],
      volume_image_metadata: { [METADATA.provider]: "p" },
      ...changes,
    });
    const volumes = [
      volume("stray"),
      volume("used", { status: "in-use", attachments: [{}] }),
      volume("named", { name: "somebody's" }),
      volume("foreign", { volume_image_metadata: {} }),
    ];
    const { provider } = await setUp(
      ({ path }) => (path.startsWith("/volumes/detail") ? list("volumes", volumes) : undefined),
      { label: "diskimage: img, min-ram: 64, boot-from-volume: true" },
    );
    await provider.start(signal);
    const found = (await provider.listLeftovers?.(signal)) ?? [];
    assert.deepEqual(
      found.map(({ kind, externalId }) => `${kind} ${externalId}`),
      ["volume stray"],
    );
  });
});

describe("starting an OpenStack provider", () => {
  test("a missing Cinder matters only where a label boots from a volume", async () => {
    const without = { without: ["volumev3"] };
    const { provider } = await setUp(() => undefined, without);
    await provider.start(signal);
    const label = "diskimage: img, min-ram: 64, boot-from-volume: true";
    const needing = await setUp(() => undefined, { ...without, label });
    await assert.rejects(
      needing.provider.start(signal),
      /^ProviderError: provider p: .*no Cinder.*volume_endpoint_override/,
    );
  });

  test("what cannot be started says why, with the provider's name", async () => {
    const { provider } = await setUp(() => undefined, {
      login: () => ({ status: 401, body: { error: { message: "no" } } }),
    });
    await assert.rejects(provider.start(signal), /provider p: no token for user 'robot'.*answered 401/);
    assert.equal(provider.describe().problem, "it was not started");
    await assert.rejects(provider.listInstances(signal), /provider p was not started/);
  });
});
