import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pool } from "../../../test/harness/world.ts";
import {
  add,
  amountsOf,
  bounds,
  describePoolShortage,
  describeProviderShortage,
  describeTenantShortage,
  NOTHING,
  poolLimits,
  shortageOf,
} from "./quota.ts";

describe("what a node takes", () => {
  it("is one instance, and those of its resources that are numbers", () => {
    const odd = { cores: 2, ram: "1024", gpu: null, disk: Infinity };
    assert.deepEqual(amountsOf(odd), { instances: 1, cores: 2 });
    assert.deepEqual(amountsOf(null), { instances: 1 });
  });

  it("adds up by name, and to nothing where there is nothing", () => {
    assert.deepEqual(add({ instances: 1, cores: 2 }, { instances: 2, ram: 5 }), {
      instances: 3,
      cores: 2,
      ram: 5,
    });
    assert.deepEqual(add(NOTHING, { cores: 2 }), { cores: 2 });
    assert.deepEqual(add({ cores: 2 }, NOTHING), { cores: 2 });
  });
});

describe("the limits of a pool", () => {
  it("are those of its keys, and of the resources that it names", () => {
    const settings = { "max-volumes": 4, "max-volume-gb": 80, "max-resources": { gpu: 1, "L-1": "many" } };
    const { pool: config } = pool("cloud/main", [], { maxServers: 3, maxCores: 8, maxRam: 4096, settings });
    const limits = { instances: 3, cores: 8, ram: 4096, volumes: 4, "volume-gb": 80, gpu: 1 };
    assert.deepEqual(poolLimits(config), limits);
    assert.deepEqual(poolLimits(config), limits, "asked again");
  });

  it("are none where it has no such key", () => {
    const limits = poolLimits(pool("cloud/main", []).pool);
    assert.deepEqual(limits, { instances: Infinity, cores: Infinity, ram: Infinity });
  });
});

describe("a limit", () => {
  const limits = { instances: 3, cores: 4, ram: Infinity };

  it("may be reached and not exceeded", () => {
    assert.equal(shortageOf(limits, { instances: 2 }, { instances: 1, cores: 4 }), null);
    assert.deepEqual(shortageOf(limits, { instances: 2, cores: 1 }, { instances: 1, cores: 4 }), {
      what: "cores",
      limit: 4,
      used: 1,
      needed: 4,
    });
    assert.equal(shortageOf(limits, NOTHING, { instances: 4 })?.used, 0);
  });

  it("that is exceeded already does not keep out what takes nothing of it", () => {
    assert.equal(shortageOf(limits, { instances: 9 }, { instances: 0, cores: 1 }), null);
  });

  it("that is not mentioned is none", () => {
    assert.equal(shortageOf(limits, NOTHING, { ram: 1e9, gpu: 1e9 }), null);
  });

  it("bounds whatever takes some of it", () => {
    assert.equal(bounds(limits, { instances: 1, ram: 5 }), true);
    assert.equal(bounds(limits, { cores: 1, gpu: 1 }), true);
    assert.equal(bounds(limits, { instances: 0, ram: 5, gpu: 1 }), false);
  });
});

describe("a shortage is told", () => {
  const shortage = (what: string) => ({ what, limit: 3, used: 2, needed: 5 });

  it("by the key of the pool that sets the limit", () => {
    const words = ["instances", "cores", "ram", "volumes", "volume-gb", "gpu"].map((what) =>
      describePoolShortage(shortage(what)),
    );
    assert.deepEqual(words, [
      "max-servers is 3, in use 2, needed 5",
      "max-cores is 3, in use 2, needed 5",
      "max-ram is 3 MiB, in use 2 MiB, needed 5 MiB",
      "max-volumes is 3, in use 2, needed 5",
      "max-volume-gb is 3, in use 2, needed 5",
      "max-resources of gpu is 3, in use 2, needed 5",
    ]);
  });

  it("with what others take of a provider", () => {
    assert.equal(
      describeProviderShortage(shortage("ram"), 1),
      "the provider's quota of ram is 3 MiB, in use 2 MiB (1 MiB of it not ours), needed 5 MiB",
    );
    assert.equal(
      describeProviderShortage(shortage("cores"), 0),
      "the provider's quota of cores is 3, in use 2, needed 5",
    );
  });

  it("with the tenant's name", () => {
    assert.equal(
      describeTenantShortage("one", shortage("instances")),
      "the limit of instances of tenant 'one' is 3, in use 2, needed 5",
    );
  });
});
