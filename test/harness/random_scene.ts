// Scenes in which anything may stand in the way of requests and labels, driven by a seed.
import type { ServedPool } from "../../services/launcher/pool/served.ts";
import { encodeOwnData } from "../../services/launcher/request/own_data.ts";
import type { Random } from "../simulation/random.ts";
import { checked, FOUND, host, hostPool, slotNode } from "./host_world.ts";
import { launch, NOW, node, pool, request, type Scene } from "./world.ts";

const LABELS = ["small", "large", "huge"];
const CORES: Readonly<Record<string, number>> = { small: 1, large: 3, huge: 6 };

function randomPool(random: Random, name: string): ServedPool {
  const few = () => random.pick([Infinity, Infinity, 1, 2, 4, 8]);
  const made = pool(name, LABELS.slice(0, 1 + random.below(3)), {
    maxServers: random.chance(0.1) ? 0 : few(),
    maxCores: few(),
    maxRam: random.pick([Infinity, Infinity, 3000]),
    settings: { "max-resources": random.pick([{}, { disks: 2 }]) },
    ignoreProviderQuota: random.chance(0.1),
    provider: { maxConcurrency: random.pick([Infinity, Infinity, 1, 2]) },
  });
  const resourcesOf = (label: string) => ({ instances: 1, cores: CORES[label] ?? 1, ram: 1024, disks: 1 });
  return { ...made, resourcesOf };
}

function randomHosts(random: Random): Pick<Scene, "nodes" | "hand"> & { readonly lab: ServedPool } {
  const hosts = ["h1", "h2"].map((name) =>
    host({ name, labels: ["box", ...(random.chance(0.5) ? ["bench"] : [])], slots: 1 + random.below(2) }),
  );
  const nodes = hosts.flatMap((one, at) =>
    Array.from({ length: one.slots }, (_, slot) =>
      slotNode(`100${at}${slot}`, random.pick(["ready", "in-use", "testing"] as const), slot, {
        ...{ type: [...one.labels], hostname: one.name, interfaceIp: one.name, externalId: one.name },
      }),
    ),
  );
  const known = hosts.map((one) => checked(one, random.pick([FOUND, "down"]), { ago: random.pick([0, 60]) }));
  const statuses = new Map(known.map((status) => [`lab/${status.host.identity}`, status] as const));
  return { lab: hostPool("lab/main", hosts), nodes, hand: { hosts: statuses } };
}

/** Pools of three providers, one of them of hosts, with nodes, requests, limits and what is in hand. */
export function randomScene(random: Random): Scene {
  const alpha = randomPool(random, "alpha/main");
  const second = { ...randomPool(random, "alpha/second"), provider: alpha.provider };
  const launched = [alpha, second, randomPool(random, "beta/main")];
  const { lab, nodes: slots = [], hand } = randomHosts(random);
  const nodes = Array.from({ length: random.below(8) }, (_, at) => {
    const [provider = "", name = ""] = random.pick(launched).id.split("/");
    const label = random.pick(LABELS);
    return node(`000${at}`, random.pick(["in-use", "ready", "hold", "deleting"] as const), {
      ...{ provider, pool: name, type: [label], tenantName: random.pick([null, "acme"]) },
      resources: { instances: 1, cores: CORES[label] ?? 1, ram: 1024, disks: 1 },
      locked: true,
    });
  });
  const isLaunching = random.chance(0.3);
  const building = (isLaunching ? ["0008", "0009"] : []).map((id) =>
    node(id, "building", { provider: "alpha", pool: "main", locked: true }),
  );
  const some = <T>(items: readonly T[]) => items.filter(() => random.chance(0.3));
  return {
    pools: [...launched, lab],
    labels: { small: { minReady: 1 }, large: {}, huge: {}, box: {}, bench: {} },
    imageAt: random.chance(0.8) ? ["alpha", "beta"] : some(["alpha", "beta"]),
    tenants: { acme: { instances: 1 + random.below(3), cores: random.pick([Infinity, 4]) } },
    nodes: [...nodes, ...building, ...slots],
    requests: Array.from({ length: 1 + random.below(5) }, (_, at) => randomRequest(random, at)),
    hand: {
      ...hand,
      limits: new Map(some(["alpha", "beta"]).map((name) => [name, { instances: 1 + random.below(8) }])),
      foreign: new Map(some(["alpha", "beta"]).map((name) => [name, { instances: 1 }])),
      asking: random.chance(0.1) ? new Set(["alpha"]) : new Set(),
      quotaBlocks: new Map(random.chance(0.1) ? [["alpha", NOW + 1.3 + random.below(4)]] : []),
      launches: new Map(building.map(({ id }) => launch(id, alpha))),
    },
  };
}

function randomRequest(random: Random, at: number) {
  const offered = random.pick([LABELS, LABELS, ["box", "bench"]]);
  const isOwn = random.chance(0.15);
  const labels = Array.from({ length: isOwn ? 1 : 1 + random.below(3) }, () => random.pick(offered));
  return request(`${isOwn ? "900" : random.pick(["100", "200"])}-000000000${at}`, {
    nodeTypes: labels,
    reuse: random.chance(0.8),
    tenantName: isOwn ? null : random.pick([null, "acme"]),
    createdTime: NOW - random.pick([5, 70]),
    ...(isOwn ? { requestor: "NodePool:min-ready", requestorData: encodeOwnData({ minReady: true }) } : {}),
    ...(random.chance(0.3) && !isOwn
      ? { requestorData: encodeOwnData({ lease: { duration: 60, expires: NOW + 60 } }) }
      : {}),
  });
}
