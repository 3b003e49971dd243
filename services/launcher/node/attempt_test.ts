import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Instance } from "../../../lib/provider/contract.ts";
import { node, pool } from "../../../test/harness/world.ts";
import type { Environment } from "../environment.ts";
import type { LaunchImage } from "../pool/image.ts";
import type { Launch } from "../state.ts";
import { asLaunched, createInstance } from "./attempt.ts";

describe("a node that was launched", () => {
  const instance: Instance = {
    externalId: "i-1",
    name: "np0001",
    state: "running",
    metadata: {},
    interfaceIp: "192.0.2.1",
    publicIpv4: "192.0.2.2",
    privateIpv4: "192.0.2.3",
    publicIpv6: "2001:db8::4",
    connectionPort: 2205,
    cloud: "sky",
    region: "north",
    az: "zone-b",
    hostId: "host-6",
    resources: { cores: 7, ram: 8192 },
    attributes: { engine: "fake" },
  };
  const launched = (more: Parameters<typeof node>[2], changes: Partial<Instance> = {}) => {
    const { record } = node("0001", "building", more);
    assert.ok(record);
    return { record, after: asLaunched(record, { ...instance, ...changes }) };
  };

  it("says all that its provider says of its instance, and is else as it was", () => {
    const { record, after } = launched({ attributes: { rack: "9" }, resources: { instances: 1, disks: 2 } });
    assert.deepEqual(after, {
      ...record,
      externalId: "i-1",
      hostname: "np0001",
      interfaceIp: "192.0.2.1",
      publicIpv4: "192.0.2.2",
      privateIpv4: "192.0.2.3",
      publicIpv6: "2001:db8::4",
      connectionPort: 2205,
      cloud: "sky",
      region: "north",
      az: "zone-b",
      hostId: "host-6",
      resources: { instances: 1, disks: 2, cores: 7, ram: 8192 },
      attributes: { rack: "9", engine: "fake" },
    });
  });

  it("keeps port, cloud and zone where its provider says nothing of them", () => {
    const { cloud: _, ...silent } = instance;
    const { record } = node("0001", "building", { connectionPort: 22, cloud: "earth", az: "zone-a" });
    assert.ok(record);
    const after = asLaunched(record, { ...silent, connectionPort: null, az: null });
    assert.deepEqual([after.connectionPort, after.cloud, after.az], [22, "earth", "zone-a"]);
  });

  it("has no attributes where nobody gives it any", () => {
    assert.equal(launched({}, { attributes: {} }).after.attributes, null);
  });

  it("has the host's own words where its machine was there before, and the pool's attributes first", () => {
    const host = { username: "robot", pythonPath: "/usr/bin/python3", inherited: { rack: "1", os: "bsd" } };
    const { after } = launched({ attributes: { rack: "9" } }, { host });
    assert.deepEqual(
      [after.username, after.pythonPath, after.attributes],
      ["robot", "/usr/bin/python3", { rack: "9", os: "bsd", engine: "fake" }],
    );
  });
});

describe("a launch at a provider that is not served any more", () => {
  it("is refused for good", async () => {
    const { record } = node("0001", "building");
    const launch = { node: "0001", label: "small", pool: pool("cloud/main", ["small"]), record } as Launch;
    const environment = { context: { providers: [] } } as unknown as Environment;
    const { signal } = new AbortController();
    await assert.rejects(
      createInstance(environment, launch, {} as LaunchImage, async () => {}, signal),
      {
        name: "NotFoundError",
        message: "label 'small' cannot be launched: provider 'cloud' is not served any more",
      },
    );
  });
});
