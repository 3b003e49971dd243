import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setUp as setUpClient } from "../../../test/harness/api_client_case.ts";
import { accepted, novaWith, server, setUp, signal } from "../../../test/harness/scripted_provider.ts";
import type { Cloud } from "../../config/clouds/cloud.ts";
import { ProviderError } from "../contract.ts";
import { Compute } from "./compute.ts";
import { FloatingIps } from "./floating_ips.ts";
import { NetworkApi } from "./network.ts";
import { removeServer } from "./removal.ts";
import { ServerList } from "./server_list.ts";

describe("deletions in OpenStack", () => {
  test("a deletion leaves an address alone that another server has by now", async () => {
    const address = { addr: "198.51.100.7", version: 4, "OS-EXT-IPS:type": "floating" };
    const nova = novaWith(accepted, null);
    nova.list.push(server({ addresses: { inside: [address] } }));
    const words = (id: string) => `nodepool {"provider":"p","node":"1","server":"${id}"}`;
    const floatingips = [
      { id: "another's", floating_ip_address: address.addr, port_id: "of s2", description: words("s2") },
      { id: "by hand", floating_ip_address: address.addr, port_id: "of s2", description: "" },
      { id: "not by us", floating_ip_address: address.addr, port_id: "of s1", description: "" },
      { id: "by us", floating_ip_address: "198.51.100.8", port_id: null, description: words("s1") },
    ];
    const { cloud, provider } = await setUp((call) => {
      if (call.method === "GET" && call.path.startsWith("/floatingips")) {
        return { status: 200, body: { floatingips } };
      }
      if (call.path.startsWith("/ports")) {
        return { status: 200, body: { ports: [{ id: "of s1", device_id: "s1" }] } };
      }
      return call.method === "DELETE" && call.service === "network" ? { status: 204 } : nova.script(call);
    });
    await provider.start(signal);
    await provider.listInstances(signal);
    await provider.deleteInstance("s1", signal);
    const deleted = cloud.calls.filter(({ method, service }) => method === "DELETE" && service === "network");
    assert.deepEqual(
      deleted.map(({ path }) => path),
      ["/floatingips/not%20by%20us", "/floatingips/by%20us"],
    );
  });

  test("many at a time share a list of floating addresses, before each deletes those of its own server", async () => {
    const ids = Array.from({ length: 150 }, (_, index) => `s${index}`);
    const description = `nodepool {"provider":"p","node":"1","server":"s149"}`;
    const { api, cloud, clock } = await setUpClient(
      ({ method, path }) => {
        if (method === "DELETE") return { status: path.startsWith("/servers/") ? 404 : 204 };
        if (!path.startsWith("/floatingips")) return undefined;
        return { status: 200, body: { floatingips: [{ id: "f1", description }] } };
      },
      { rate: 1 },
    );
    const compute = new Compute(api);
    const servers = new ServerList((inner) => compute.servers(inner), clock, signal);
    const floatingIps = new FloatingIps({} as Cloud, new NetworkApi(api), signal);
    const tools = { compute, servers, floatingIps, clock, usesFloatingIps: true };
    await Promise.all(ids.map((id) => removeServer(tools, id, signal)));
    const of = (method: string, path: string) =>
      cloud.calls.filter((call) => call.method === method && call.path.startsWith(path));
    assert.ok(of("GET", "/floatingips").length <= 2, `${of("GET", "/floatingips").length} lists`);
    assert.equal(of("DELETE", "/servers/").length, 150);
    assert.equal(of("DELETE", "/floatingips/f1").length, 1);
  });

  test("only the service's own word confirms a deletion, not that of a proxy which does not reach it", async () => {
    const page = "<html><body><h1>404 Not Found</h1>nginx</body></html>";
    const itemNotFound = { itemNotFound: { code: 404, message: "Instance s1 could not be found." } };
    for (const [answer, isConfirmed] of [
      [{ status: 404, body: page, isFromProxy: true }, false],
      [{ status: 404, body: { message: "no Route matched" }, isFromProxy: true }, false],
      [{ status: 404, body: page }, true],
      [{ status: 404, body: itemNotFound, isFromProxy: true }, true],
    ] as const) {
      const { cloud, provider } = await setUp(({ method }) => (method === "DELETE" ? answer : undefined));
      await provider.start(signal);
      const outcome = await provider.deleteInstance("s1", signal).catch((error: unknown) => error);
      const deletes = cloud.calls.filter(({ method }) => method === "DELETE").length;
      if (isConfirmed) assert.deepEqual([outcome, deletes], [undefined, 1]);
      else {
        assert.ok(outcome instanceof ProviderError && outcome.retryable);
        assert.match(
          outcome.message,
          /answered 404: .*; the service itself does not say so: look at the proxy/,
        );
        assert.equal(deletes, 4, "it is asked again, as after a 503");
      }
    }
  });

  for (const status of ["DELETED", "SOFT_DELETED"]) {
    test(`a server that Nova lists as ${status} is gone`, async () => {
      const { cloud, provider } = await setUp(({ path }) =>
        path.startsWith("/servers/detail")
          ? { status: 200, body: { servers: [server({ status })] } }
          : undefined,
      );
      await provider.start(signal);
      await provider.deleteInstance("s1", signal);
      assert.equal(cloud.calls.filter(({ method }) => method === "DELETE").length, 1);
    });

    test(`a server that an old Nova does not list is gone when it calls it ${status}, and not before`, async () => {
      const states = ["ACTIVE", status];
      const { provider } = await setUp(({ method, path }) => {
        if (path === "/") return { status: 200, body: { version: { version: "2.60" } } };
        if (method !== "GET" || path !== "/servers/s1") return undefined;
        return { status: 200, body: { server: server({ status: states.shift() ?? "asked once more" }) } };
      });
      await provider.start(signal);
      await provider.deleteInstance("s1", signal);
      assert.deepEqual(states, []);
    });
  }

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
