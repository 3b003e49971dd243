import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Cloud } from "../../config/clouds/cloud.ts";
import type { Flavor, Server } from "./compute.ts";
import { readInstance } from "./instance.ts";

const flavor: Flavor = { id: "f", name: "small", cores: 2, ram: 512 };

/** A server as an instance. */
function read(changes: Partial<Server>, floatingIp: string | null = null) {
  const server: Server = {
    id: "s",
    name: "np1",
    status: "ACTIVE",
    taskState: null,
    fault: null,
    metadata: {},
    addresses: [],
    accessIpv4: null,
    accessIpv6: null,
    hostId: "host",
    az: "zone",
    flavor,
    volumes: 0,
    ...changes,
  };
  const cloud = { name: "c", region: "r", networks: [], isPrivate: false, forceIpv4: false };
  const facts = { networks: [], flavor: (id: string) => (id === flavor.id ? flavor : undefined) };
  return readInstance(server, floatingIp, { cloud: cloud as unknown as Cloud, facts, hasIpv6: false });
}

describe("a server of Nova as an instance", () => {
  test("its state is what matters to a node of it", () => {
    const statuses = ["BUILD", "REBUILD", "PASSWORD", "HARD_REBOOT", "ERROR", "SHUTOFF", "PAUSED"];
    assert.deepEqual(
      statuses.map((status) => read({ status }).state),
      ["building", "building", "running", "running", "failed", "stopped", "stopped"],
    );
  });

  test("one that is being deleted is no good, whatever its state", () => {
    assert.equal(read({}).fault, undefined);
    assert.equal(read({ taskState: "deleting" }).fault, "it is being deleted");
    assert.equal(read({ taskState: "deleting", fault: "no host" }).fault, "no host");
  });

  test("it says where it is", () => {
    const { cloud, region, az, hostId } = read({});
    assert.deepEqual([cloud, region, az, hostId], ["c", "r", "zone", "host"]);
  });

  test("an address that was just attached counts, though Nova has not heard of it", () => {
    assert.equal(read({}, "198.51.100.7").publicIpv4, "198.51.100.7");
  });

  test("it takes its flavor's size, which an old Nova does not tell of a server, and its volumes", () => {
    assert.deepEqual(read({ volumes: 2 }).resources, { instances: 1, cores: 2, ram: 512, volumes: 2 });
    assert.deepEqual(read({ flavor: { id: "f", name: "", cores: 0, ram: 0 } }).resources, {
      instances: 1,
      cores: 2,
      ram: 512,
    });
    assert.deepEqual(read({ flavor: null }).resources, { instances: 1 });
  });
});
