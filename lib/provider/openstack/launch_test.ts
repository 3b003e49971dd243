import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import {
  accepted,
  create,
  fastClock,
  novaWith,
  server,
  setUp,
  signal,
  spec,
} from "../../../test/harness/scripted_provider.ts";
import { METADATA, NotFoundError, ProviderError, QuotaError } from "../contract.ts";

describe("launches in OpenStack", () => {
  test("a create whose answer is lost finds its server by name and token, and makes no second one", async () => {
    for (const answer of [
      { status: 500, body: {} },
      { status: 0, isLost: true },
    ]) {
      const { cloud, provider } = await setUp(novaWith(answer).script);
      await provider.start(signal);
      const instance = await create(provider);
      assert.deepEqual(
        [instance.externalId, instance.interfaceIp, instance.cloud],
        ["s1", "10.0.0.5", "scripted"],
      );
      assert.equal(cloud.calls.filter(({ method }) => method === "POST").length, 1);
    }
  });

  test("a create whose answer cannot be read finds its server", async () => {
    for (const body of ['{"server": {"id', { server: {} }, ""]) {
      const { cloud, provider } = await setUp(novaWith({ status: 202, body }).script);
      await provider.start(signal);
      assert.equal((await create(provider)).externalId, "s1");
      assert.equal(cloud.calls.filter(({ method }) => method === "POST").length, 1);
    }
  });

  test("a server that a list lacks while it is being built is waited for", async () => {
    const building = server({ status: "BUILD", addresses: {} });
    const nova = novaWith(accepted, null);
    let lists = 0;
    const { provider } = await setUp((call) => {
      if (call.method === "GET" && call.path === "/servers/s1")
        return { status: 200, body: { server: building } };
      if (!call.path.startsWith("/servers/detail")) return nova.script(call);
      lists += 1;
      const shown = [[], [building], [], [server()]][Math.min(lists - 1, 3)];
      return { status: 200, body: { servers: shown } };
    });
    await provider.start(signal);
    assert.equal((await create(provider)).interfaceIp, "10.0.0.5");
  });

  test("a server that is deleted while a list lacks it has vanished", async () => {
    const building = server({ status: "BUILD", addresses: {} });
    const nova = novaWith(accepted, null);
    let [lists, looks] = [0, 0];
    const { provider } = await setUp((call) => {
      if (call.method === "GET" && call.path === "/servers/s1") {
        looks += 1;
        return looks === 1 ? { status: 200, body: { server: building } } : { status: 404 };
      }
      if (!call.path.startsWith("/servers/detail")) return nova.script(call);
      lists += 1;
      return { status: 200, body: { servers: lists === 2 ? [building] : [] } };
    });
    await provider.start(signal);
    await assert.rejects(create(provider), /server s1 of np0000000001 has vanished/);
  });

  test("a server that can be reached from outside takes no floating address", async () => {
    const networks = [
      { id: "n1", name: "inside" },
      { id: "n2", name: "outside", "router:external": true },
    ];
    for (const [network, addr, wants] of [
      ["inside", "8.8.4.4", 0],
      ["public", "10.0.0.5", 0],
      ["inside", "10.0.0.5", 1],
    ] as const) {
      const addresses = { [network]: [{ addr, version: 4, "OS-EXT-IPS:type": "fixed" }] };
      const nova = novaWith(accepted, server({ addresses }));
      const { cloud, provider } = await setUp(
        (call) => {
          if (call.path.startsWith("/networks")) return { status: 200, body: { networks } };
          if (call.path.startsWith("/ports")) {
            const port = { id: "port", device_id: "s1", network_id: "n1", fixed_ips: [{ ip_address: addr }] };
            return { status: 200, body: { ports: [port] } };
          }
          if (call.method === "POST" && call.path === "/floatingips") {
            const floatingip = { id: "f1", floating_ip_address: "198.51.100.7", port_id: "port" };
            return { status: 201, body: { floatingip } };
          }
          return nova.script(call);
        },
        { pool: "auto-floating-ip: true, networks: [inside]," },
      );
      await provider.start(signal);
      await create(provider);
      const made = cloud.calls.filter(({ method, path }) => method === "POST" && path === "/floatingips");
      assert.equal(made.length, wants, `${network} ${addr}`);
    }
  });

  test("an address that no router leads to from one network is attached in the next", async () => {
    const nova = novaWith(accepted);
    const tried: string[] = [];
    const { provider } = await setUp(
      (call) => {
        if (call.path.startsWith("/networks")) {
          const inside = ["storage", "inside"].map((name) => ({ id: name, name }));
          const networks = [...inside, { id: "out", name: "out", "router:external": true }];
          return { status: 200, body: { networks } };
        }
        if (call.path.startsWith("/ports")) {
          const port = (id: string) => ({ id, network_id: id, fixed_ips: [{ ip_address: "10.0.0.5" }] });
          return { status: 200, body: { ports: [port("storage"), port("inside")] } };
        }
        if (call.method === "POST" && call.path === "/floatingips") {
          const { port_id: port } = JSON.parse(call.body).floatingip;
          tried.push(port);
          const floatingip = { id: "f1", floating_ip_address: "198.51.100.7", port_id: port };
          const refusal = { NeutronError: { message: "External network out is not reachable" } };
          return port === "storage" ? { status: 404, body: refusal } : { status: 201, body: { floatingip } };
        }
        return nova.script(call);
      },
      { pool: "auto-floating-ip: true, networks: [storage, inside]," },
    );
    await provider.start(signal);
    assert.equal((await create(provider)).publicIpv4, "198.51.100.7");
    assert.deepEqual(tried, ["storage", "inside"]);
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

  test("of two servers of a launch, a repeated create goes on with the one that is recorded", async () => {
    const nova = novaWith(accepted);
    nova.list.push(server({ id: "double" }), server({ id: "recorded" }));
    const { provider } = await setUp(nova.script);
    await provider.start(signal);
    assert.equal((await create(provider, { externalId: "recorded" })).externalId, "recorded");
  });

  test("a recorded server of another name is somebody else's", async () => {
    const nova = novaWith(accepted);
    nova.list.push(server({ id: "others", name: "np-0000000099" }));
    const { provider } = await setUp(nova.script);
    await provider.start(signal);
    assert.equal((await create(provider, { externalId: "others" })).externalId, "s1");
  });

  test("a recorded server whose name Nova cannot tell just then is waited for, and no second one made", async () => {
    const nova = novaWith(accepted);
    let lists = 0;
    const { cloud, provider } = await setUp((call) => {
      if (!call.path.startsWith("/servers/detail")) return nova.script(call);
      lists += 1;
      return { status: 200, body: { servers: [lists < 3 ? { id: "s1", status: "UNKNOWN" } : server()] } };
    });
    await provider.start(signal);
    assert.equal((await create(provider, { externalId: "s1" })).interfaceIp, "10.0.0.5");
    assert.ok(cloud.calls.every(({ method }) => method === "GET"));
  });

  test("eight creates at most are under way at once", async () => {
    const nova = novaWith(accepted, null);
    let [running, most] = [0, 0];
    const released = Promise.withResolvers<void>();
    const answerCreate = async (name: string) => {
      running += 1;
      most = Math.max(most, running);
      if (running === 8) released.resolve();
      await released.promise;
      running -= 1;
      nova.list.push(server({ id: name, name }));
      return { status: 202, body: { server: { id: name } } };
    };
    const { provider } = await setUp((call) =>
      call.method === "POST" ? answerCreate(JSON.parse(call.body).server.name) : nova.script(call),
    );
    await provider.start(signal);
    const names = Array.from({ length: 20 }, (_, index) => `np${index}`);
    const made = await Promise.all(names.map((name) => create(provider, { name })));
    assert.deepEqual(
      made.map(({ externalId }) => externalId),
      names,
    );
    assert.equal(most, 8);
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

  test("a quota is told as one although Nova does not delete the server just then", async () => {
    const fault = { message: "Quota exceeded for resources: ['port']" };
    const nova = novaWith(accepted, server({ status: "ERROR", fault }));
    const conflict = { conflictingRequest: { message: "Cannot 'delete' instance s1 in task_state x" } };
    const { provider } = await setUp((call) =>
      call.method === "DELETE" ? { status: 409, body: conflict } : nova.script(call),
    );
    await provider.start(signal);
    await assert.rejects(create(provider), QuotaError);
  });

  test("other faults of a server are told as Nova tells them", async () => {
    const fault = { message: "No valid host was found. " };
    const { provider } = await setUp(novaWith(accepted, server({ status: "ERROR", fault })).script);
    await provider.start(signal);
    const error = await create(provider).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof ProviderError && !(error instanceof QuotaError));
    assert.match(error.message, /server s1 of np0000000001 is in state ERROR: No valid host was found\.$/);
  });

  test("a fault that the list lacks is asked for", async () => {
    const nova = novaWith(accepted, server({ status: "ERROR" }));
    const fault = { message: "No valid host was found. " };
    const { provider } = await setUp((call) =>
      call.method === "GET" && call.path === "/servers/s1"
        ? { status: 200, body: { server: server({ status: "ERROR", fault }) } }
        : nova.script(call),
    );
    await provider.start(signal);
    await assert.rejects(create(provider), /is in state ERROR: No valid host was found\.$/);
  });

  test("a word that Nova does not know is told with the key to look at", async () => {
    const answers: readonly (readonly [string, RegExp, typeof ProviderError])[] = [
      ["Invalid key_name provided.", /the key key-name of label 'small'/, ProviderError],
      ["The requested availability zone is not available", /the key availability-zones/, ProviderError],
      ["Unable to find security_group with name or id 'x'", /the key security-groups/, ProviderError],
      ["Can not find requested image", /label 'small' needs an image/, NotFoundError],
    ];
    for (const [message, pattern, kind] of answers) {
      const nova = novaWith({ status: 400, body: { badRequest: { message } } }, null);
      const { provider } = await setUp(nova.script, { pool: "availability-zones: [z]," });
      await provider.start(signal);
      const error = await create(provider, { az: "z" }).catch((thrown: unknown) => thrown);
      assert.ok(error instanceof kind && !error.retryable, message);
      assert.match(error.message, pattern);
      assert.match(error.message, /^provider p: Nova: POST \/servers answered 400/);
    }
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
