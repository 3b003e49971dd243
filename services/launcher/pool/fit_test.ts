import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newRequest } from "../../../lib/model/request.ts";
import { FakeCloud } from "../../../lib/provider/fake/cloud.ts";
import { FakeProvider } from "../../../lib/provider/fake/fake_provider.ts";
import { host, hostPool } from "../../../test/harness/host_world.ts";
import { decideIn, NOW, node, pool, request, type Scene, world } from "../../../test/harness/world.ts";
import { Census } from "./census.ts";
import { fitOf, launchObstacle, neverFits, zoneFor } from "./fit.ts";
import type { ServedPool } from "./served.ts";

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

describe("a pool that can serve a request", () => {
  it("needs room for the nodes that are not there yet only", () => {
    const pools = [pool("cloud/main", ["small"], { maxServers: 2 })];
    const both = request("200-1", { nodeTypes: ["small", "small"] });
    const { actions } = decideIn({ pools, nodes: [node("0001", "ready")], requests: [both] });
    assert.deepEqual(actions, ["serve 200-1 at cloud/main with 0001,new"]);
  });

  it("launches them where the nodes are that are there", () => {
    const settings = { "availability-zones": ["a", "b"] };
    const served = pool("cloud/main", ["small"], { settings });
    const zoneOf = (id: string, az: string) => {
      const both = of(id, "small", "small");
      const seen = world({ pools: [served], nodes: [node("0001", "ready", { az })] });
      seen.index.prepare(NOW);
      const fit = fitOf(seen, new Census(seen.index), served, both, null);
      return fit.kind === "now" ? fit.zone : fit.reason;
    };
    assert.deepEqual([zoneOf("200-0000000001", "c"), zoneOf("200-0000000002", "c")], ["c", "c"]);
  });
});

describe("a pool never serves", () => {
  const never = (served: ServedPool, labels: readonly string[], tenant: string | null = null) => {
    const scene: Scene = { pools: [served], tenants: { acme: { instances: 1 } } };
    return neverFits(world(scene), served, labels, tenant);
  };
  const both = ["small", "small"];

  it("while it is switched off", () => {
    assert.equal(never(pool("cloud/main", ["small"], { maxServers: 0 }), ["small"])?.rule, "disabled");
    const off = pool("cloud/main", ["small"], { provider: { maxConcurrency: 0 } });
    const { actions } = decideIn({
      pools: [off],
      nodes: [node("0001", "ready")],
      requests: [request("200-1")],
    });
    assert.equal(actions.includes("serve 200-1 at cloud/main with 0001"), false);
  });

  it("what it does not have", () => {
    const found = never(pool("cloud/main", ["small"]), ["small", "large"]);
    assert.deepEqual(found, { rule: "image", text: "label 'large' is not in the pool" });
  });

  it("more than a tenant may have at all, and says so of that tenant alone", () => {
    const served = pool("cloud/main", ["small"]);
    const text = "the limit of instances of tenant 'acme' is 1, in use 0, needed 2";
    assert.deepEqual(never(served, both, "acme"), { rule: "impossible", text });
    assert.deepEqual(
      [never(served, ["small"], "acme"), never(served, both, "other"), never(served, both)],
      [null, null, null],
    );
    const tenants = { acme: { instances: 1 } };
    const requests = [request("200-1", { nodeTypes: both, tenantName: "acme" })];
    assert.deepEqual(decideIn({ pools: [served], tenants, requests }).actions, [
      `fail 200-1: cloud/main: ${text}`,
    ]);
  });

  it("more than it may have itself, or than its hosts are", () => {
    const few = pool("cloud/main", ["small"], { maxServers: 1 });
    assert.equal(never(few, both)?.text, "it would exceed the quota: max-servers is 1, in use 0, needed 2");
    assert.equal(never(few, ["small"]), null);
    assert.equal(never(hostPool("lab/main", [host()]), both)?.rule, "too-few-hosts");
    assert.equal(never(hostPool("lab/main", [host()]), ["small"]), null);
  });
});

describe("in the way of a launch is", () => {
  /** The first rule in the way of one more where one is launching. */
  const ruleOf = (
    scene: Scene,
    limits: { readonly concurrency?: number; readonly servers?: number } = {},
  ) => {
    const { concurrency = Infinity, servers = Infinity } = limits;
    const served = pool("cloud/main", ["small"], {
      maxServers: servers,
      provider: { maxConcurrency: concurrency },
    });
    const seen = world({ pools: [served], ...scene });
    const census = new Census(seen.index);
    census.reserve(served, "small", null);
    return launchObstacle(seen, census, served, ["small"])?.rule;
  };
  const full = { concurrency: 1, servers: 1 };
  const refused = { quotaBlocks: new Map([["cloud", NOW + 3]]) };

  it("first that its image is missing, then a refusal, then too many launches, then a limit", () => {
    assert.equal(ruleOf({ imageAt: [], hand: refused }, full), "image");
    assert.equal(ruleOf({ hand: refused }, full), "refused");
    assert.equal(ruleOf({}, full), "concurrency");
    assert.equal(ruleOf({}, { servers: 1 }), "pool-limit");
    assert.equal(ruleOf({}), undefined);
  });
});
