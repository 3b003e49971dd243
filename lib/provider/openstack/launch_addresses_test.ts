import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  accepted,
  create,
  novaWith,
  server,
  setUp,
  signal,
} from "../../../test/harness/scripted_provider.ts";

describe("addresses of servers in OpenStack", () => {
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

  test("without auto-floating-ip no server gets one", async () => {
    const networks = [{ id: "n2", name: "outside", "router:external": true }];
    const nova = novaWith(accepted);
    const { cloud, provider } = await setUp((call) =>
      call.path.startsWith("/networks") ? { status: 200, body: { networks } } : nova.script(call),
    );
    await provider.start(signal);
    await create(provider);
    assert.ok(cloud.calls.every(({ path }) => !/^\/(ports|floatingips)/.test(path)));
  });

  test("a server is waited for until it has an address, though it is active", async () => {
    const nova = novaWith(accepted, null);
    let lists = 0;
    const { provider } = await setUp((call) => {
      if (!call.path.startsWith("/servers/detail")) return nova.script(call);
      lists += 1;
      const shown = [[], [server({ addresses: {} })], [server()]][Math.min(lists - 1, 2)];
      return { status: 200, body: { servers: shown } };
    });
    await provider.start(signal);
    assert.equal((await create(provider)).interfaceIp, "10.0.0.5");
  });

  test("an active server that gets no address is given up with the place to look at", async () => {
    const { provider } = await setUp(novaWith(accepted, server({ addresses: {} })).script);
    await provider.start(signal);
    await assert.rejects(
      create(provider),
      /server s1 of np0000000001 is active, but has no address after 60 s: look at its network/,
    );
  });
});
