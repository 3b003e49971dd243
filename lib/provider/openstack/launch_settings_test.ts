import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import {
  accepted,
  create,
  fastClock,
  novaWith,
  setUp,
  signal,
  spec,
} from "../../../test/harness/scripted_provider.ts";
import { NotFoundError, ProviderError } from "../contract.ts";

describe("what a launch in OpenStack asks for", () => {
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
        pool: "networks: [inside], security-groups: [web, ssh], availability-zones: [zone-1],",
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

  test("a min-ram of 0 is none: the flavor has the name to the letter", async () => {
    const nova = novaWith(accepted);
    const flavors = [
      { id: "f1", name: "small-old", ram: 64, vcpus: 1, disk: 1 },
      { id: "f2", name: "small", ram: 128, vcpus: 1, disk: 1 },
    ];
    const { cloud, provider } = await setUp(
      (call) => (call.path.startsWith("/flavors") ? { status: 200, body: { flavors } } : nova.script(call)),
      { label: "diskimage: img, flavor-name: small, min-ram: 0" },
    );
    await provider.start(signal);
    await create(provider);
    const sent = cloud.calls.find(({ method, path }) => method === "POST" && path === "/servers");
    assert.equal(JSON.parse(sent?.body ?? "").server.flavorRef, "f2");
  });

  test("a label's networks take the place of the pool's, also when it has none of them", async () => {
    for (const [networks, asked] of [
      ["networks: [outside]", [{ uuid: "n2" }]],
      ["networks: []", undefined],
    ] as const) {
      const nova = novaWith(accepted);
      const { cloud, provider } = await setUp(
        (call) => {
          if (call.service !== "network" || !call.path.startsWith("/networks")) return nova.script(call);
          const known = { inside: "n1", outside: "n2" };
          const listed = Object.entries(known).map(([name, id]) => ({ id, name }));
          return { status: 200, body: { networks: listed } };
        },
        { pool: "networks: [inside],", label: `diskimage: img, min-ram: 64, ${networks}` },
      );
      await provider.start(signal);
      await create(provider);
      const sent = cloud.calls.find(({ method, path }) => method === "POST" && path === "/servers");
      assert.deepEqual(JSON.parse(sent?.body ?? "").server.networks, asked);
    }
  });

  test("a property that is longer than Nova takes is left out", async () => {
    const properties = `{fits: ${"x".repeat(255)}, long: ${"x".repeat(256)}}`;
    const label = `diskimage: img, min-ram: 64, instance-properties: ${properties}`;
    const { cloud, provider } = await setUp(novaWith(accepted).script, { label });
    await provider.start(signal);
    await create(provider);
    const sent = cloud.calls.find(({ method, path }) => method === "POST" && path === "/servers");
    const { metadata } = JSON.parse(sent?.body ?? "").server;
    assert.deepEqual([metadata.fits?.length, metadata.long], [255, undefined]);
  });

  test("a zone that the cloud told of and has closed since is left out when the launch is repeated", async () => {
    let zones = ["old", "new"];
    const nova = novaWith(accepted);
    const message = "The requested availability zone is not available";
    const { cloud, provider } = await setUp((call) => {
      if (call.path.startsWith("/os-availability-zone")) return { status: 200, body: zoneList(zones) };
      if (call.method !== "POST" || !call.body.includes('"old"')) return nova.script(call);
      return { status: 400, body: { badRequest: { message } } };
    });
    await provider.start(signal);
    assert.deepEqual(provider.zones?.(), ["old", "new"]);
    zones = ["new"];
    const refused = await create(provider, { az: "old" }).catch((error: unknown) => error);
    assert.ok(refused instanceof ProviderError && refused.retryable);
    assert.match(
      refused.message,
      /the cloud itself told of zone 'old' before, and is asked for its zones anew/,
    );
    await fastClock().sleep(10_000);
    await create(provider, { az: "old" });
    const sent = cloud.calls.filter(({ method, path }) => method === "POST" && path === "/servers");
    assert.deepEqual(
      sent.map(({ body }) => JSON.parse(body).server.availability_zone),
      ["old", undefined],
    );
    assert.deepEqual(provider.zones?.(), ["new"]);
  });

  test("zones are those that are open, and a cloud that does not tell them serves without", async () => {
    const body = zoneList(["open"], ["shut"]);
    for (const [answer, expected] of [
      [{ status: 200, body }, ["open"]],
      [{ status: 403, body: { forbidden: { message: "policy" } } }, []],
    ] as const) {
      const nova = novaWith(accepted);
      const { provider } = await setUp((call) =>
        call.path.startsWith("/os-availability-zone") ? answer : nova.script(call),
      );
      await provider.start(signal);
      assert.deepEqual(provider.zones?.(), expected);
      assert.equal((await create(provider, { az: "open" })).externalId, "s1");
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
});

/** Nova's list of zones. */
function zoneList(open: readonly string[], shut: readonly string[] = []) {
  const zone = (available: boolean) => (zoneName: string) => ({ zoneName, zoneState: { available } });
  return { availabilityZoneInfo: [...open.map(zone(true)), ...shut.map(zone(false))] };
}
