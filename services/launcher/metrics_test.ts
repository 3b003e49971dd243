import assert from "node:assert/strict";
import { test } from "node:test";
import type { Config } from "../../lib/config/types.ts";
import type { NodeEntry, RequestEntry } from "../../lib/zookeeper/view.ts";
import { measure } from "../../test/harness/metrics.ts";
import { node, pool, request } from "../../test/harness/world.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import type { ServedPool } from "./pool/served.ts";

/** What a gauge shows each time that it is looked at, by the values of these attributes; `act` does something each time. */
async function shown(
  name: string,
  by: readonly string[],
  scene: {
    pools?: ServedPool[];
    requests?: RequestEntry[];
    nodes?: () => NodeEntry[];
    labels?: () => readonly string[];
    current?: () => boolean;
    providers?: () => readonly string[];
    tenants?: Config["tenantLimits"];
  },
  ...acts: ((instruments: Metrics) => void)[]
): Promise<Record<string, unknown>[]> {
  const measured = measure();
  const { pools = [], requests = [], providers = () => [], tenants: tenantLimits = new Map() } = scene;
  const { nodes = () => [], labels = () => [], current = () => true } = scene;
  const view = {
    nodes,
    requests: () => requests,
    get current() {
      return current();
    },
  };
  const instruments = createMetrics(
    view,
    () => pools,
    providers,
    () => ({
      tenantLimits,
      labels: new Map(labels().map((name) => [name, { name, minReady: 0, maxReadyAge: 0 }])),
    }),
  );
  const looks: Record<string, unknown>[] = [];
  for (const act of acts) {
    act(instruments);
    const points = await measured.shown(name);
    looks.push(
      Object.fromEntries(
        points.map(([attributes, value]) => [by.map((key) => attributes[key]).join("/"), value]),
      ),
    );
  }
  instruments.stop();
  await measured.end();
  return looks;
}

/** What the gauge of addressable requests shows, by pool. */
async function addressable(pools: ServedPool[], requests: RequestEntry[]): Promise<unknown> {
  const name = "nodepool.requests.addressable";
  const [seen] = await shown(name, ["provider", "pool"], { pools, requests }, () => {});
  return seen;
}

// Nodepool's test_requests_by_provider_stats.
test("a pool's addressable requests are the open ones whose labels it offers, all of them", async () => {
  const pools = [pool("cloud/main", ["small"]), pool("cloud/big", ["small", "large"])];
  const requests = [
    request("200-1"),
    request("200-2", { state: "pending" }),
    request("200-3", { nodeTypes: ["small", "large"] }),
    request("200-4", { nodeTypes: ["other"] }),
    request("200-5", { state: "fulfilled" }),
  ];
  assert.deepEqual(await addressable(pools, requests), { "cloud/main": 2, "cloud/big": 3 });
});

test("a request for one provider is addressable by no pool of another", async () => {
  const pools = [pool("cloud/main", ["small"]), pool("other/main", ["small"])];
  const requests = [request("200-1", { provider: "other" })];
  assert.deepEqual(await addressable(pools, requests), { "cloud/main": 0, "other/main": 1 });
});

test("a pool that is switched off could serve nothing", async () => {
  const pools = [pool("cloud/main", ["small"], { maxServers: 0 })];
  assert.deepEqual(await addressable(pools, [request("200-1")]), { "cloud/main": 0 });
});

const states = (...counts: readonly (readonly [string, number])[]) => {
  const none = ["building", "testing", "ready", "in-use", "used", "hold", "deleting"].map((state) => [
    state,
    0,
  ]);
  return Object.fromEntries([...none, ...counts]);
};
const ofLabel = (label: string, counts: object) =>
  Object.fromEntries(Object.entries(counts).map(([state, count]) => [`${label}/${state}`, count]));

// Nodepool's test_node_assignment: "zero-filled label states".
test("each configured label shows how many nodes it has in each state, none as well, before the first and after the last", async () => {
  let [nodes, labels]: [NodeEntry[], string[]] = [[], ["small", "large"]];
  const scene = { nodes: () => nodes, labels: () => labels };
  const come = () => {
    const unreadable = { ...node("0005", "ready"), record: null };
    nodes = [
      ...[node("0001", "ready"), node("0002", "ready"), node("0003", "in-use", { type: ["small", "other"] })],
      ...[node("0004", "init"), unreadable],
    ];
  };
  const go = () => {
    nodes = [];
    labels = ["small"];
  };
  const looks = await shown("nodepool.label.nodes", ["label", "state"], scene, () => {}, come, go);
  const none = states();
  assert.deepEqual(looks, [
    { ...ofLabel("small", none), ...ofLabel("large", none) },
    {
      ...ofLabel("small", states(["ready", 2], ["in-use", 1], ["init", 1])),
      ...ofLabel("large", none),
      "other/in-use": 1,
    },
    ofLabel("small", none),
  ]);
});

test("no label is said to have no nodes while nobody knows how things are", async () => {
  let isCurrent = true;
  const scene = { labels: () => ["small"], current: () => isCurrent };
  const lose = () => {
    isCurrent = false;
  };
  const [before, after] = await shown("nodepool.label.nodes", ["label", "state"], scene, () => {}, lose);
  assert.deepEqual([before, after], [ofLabel("small", states()), {}]);
});

// Nodepool's gauges max_servers and tenant_limits.
test("the limits of pools and tenants are shown, where there are any", async () => {
  const settings = { "max-resources": { gpus: 2 } };
  const pools = [
    pool("cloud/main", ["small"], { maxServers: 5, maxRam: 4096, settings }),
    pool("cloud/other", ["small"]),
  ];
  const [ofPools] = await shown("nodepool.pool.limit", ["provider", "pool", "resource"], { pools }, () => {});
  assert.deepEqual(ofPools, { "cloud/main/instances": 5, "cloud/main/ram": 4096, "cloud/main/gpus": 2 });
  const tenants = new Map([["acme", { instances: 3, cores: Infinity }]]);
  const [ofTenants] = await shown("nodepool.tenant.limit", ["tenant", "resource"], { tenants }, () => {});
  assert.deepEqual(ofTenants, { "acme/instances": 3 });
});

test("what a look at a provider has found is shown until the provider leaves the configuration", async () => {
  let providers = ["cloud", "other"];
  const find = (instruments: Metrics) => {
    for (const provider of ["cloud", "other"]) {
      instruments.drift(provider, { instance: 2 });
      instruments.drift(provider, { image: 1 });
      instruments.brake(provider, provider === "cloud");
    }
  };
  const leave = () => {
    providers = ["other"];
  };
  const comeBack = () => {
    providers = ["cloud", "other"];
  };
  const scene = { providers: () => providers };
  const acts = [find, () => {}, leave, comeBack];
  const all = { "cloud/instance": 2, "cloud/image": 1, "other/instance": 2, "other/image": 1 };
  const rest = { "other/instance": 2, "other/image": 1 };
  assert.deepEqual(await shown("nodepool.drift", ["provider", "kind"], scene, ...acts), [
    all,
    all,
    rest,
    rest,
  ]);
  comeBack();
  assert.deepEqual(await shown("nodepool.brake", ["provider"], scene, ...acts), [
    { cloud: 1, other: 0 },
    { cloud: 1, other: 0 },
    { other: 0 },
    { other: 0 },
  ]);
});
