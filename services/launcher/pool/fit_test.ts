import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newRequest } from "../../../lib/model/request.ts";
import { FakeCloud } from "../../../lib/provider/fake/cloud.ts";
import { FakeProvider } from "../../../lib/provider/fake/fake_provider.ts";
import { pool } from "../../../test/harness/world.ts";
import { zoneFor } from "./fit.ts";

const of = (id: string, ...nodeTypes: string[]) => ({ id, record: newRequest(0, { nodeTypes }) });
const inZones = (...zones: string[]) => new FakeProvider("cloud", new FakeCloud({ zones }));

describe("the zone in which new nodes of a request are launched", () => {
  it("is one of the pool's list, the next one for the next request", () => {
    const listed = pool("cloud/main", ["small"], { settings: { "availability-zones": ["a", "b"] } });
    const served = { ...listed, driver: inZones("a", "b", "c") };
    const zones = [1, 2, 3].map((id) => zoneFor(served, of(`200-000000000${id}`, "small")));
    assert.deepEqual(zones, ["b", "a", "b"]);
  });

  it("is one of the provider's where the pool lists none and the request is for several nodes", () => {
    const served = { ...pool("cloud/main", ["small"]), driver: inZones("a", "b") };
    const zones = [1, 2].map((id) => zoneFor(served, of(`200-000000000${id}`, "small", "small")));
    assert.deepEqual(zones, ["b", "a"]);
  });

  it("is left to the provider for a node alone, and where there are no zones", () => {
    assert.equal(
      zoneFor({ ...pool("cloud/main", ["small"]), driver: inZones("a") }, of("200-1", "small")),
      null,
    );
    assert.equal(
      zoneFor({ ...pool("cloud/main", ["small"]), driver: inZones() }, of("200-1", "small", "small")),
      null,
    );
  });
});
