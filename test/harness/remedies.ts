// For each rule that may stand in the way: the world after what `nodepool explain` says would have to change.

import type { Hand } from "../../services/launcher/actions.ts";
import { hostKey } from "../../services/launcher/host/slots.ts";
import type { Rule } from "../../services/launcher/pool/obstacle.ts";
import { amountsOf } from "../../services/launcher/pool/quota.ts";
import { nameOf, type ServedPool } from "../../services/launcher/pool/served.ts";
import { checked, slotNode } from "./host_world.ts";
import type { Scene } from "./world.ts";

/** A scene and the time (seconds) at which it is decided about. */
export interface Moment {
  readonly scene: Scene;
  readonly now: number;
}

/** What stands in the way of whom. */
export interface Trouble extends Moment {
  /** Null for a label. */
  readonly request: string | null;
  readonly pool: ServedPool;
  readonly reason: string;
}

/** The world after a remedy; null where there is nothing of the kind to change. */
export type Cure = (trouble: Trouble) => Moment | null;

/** Numbers of a reason: "max-servers is 3, in use 3, needed 1". */
interface Numbers {
  readonly what: string;
  readonly used: number;
  readonly needed: number;
  readonly lacking: number;
}

function numbersOf(reason: string): Numbers {
  const [, what = "", ...rest] =
    /([^:]+?) is (\d+)(?: MiB)?, in use (\d+)(?: MiB)?(?: \(\d+ of it not ours\))?, needed (\d+)/.exec(
      reason,
    ) ?? [];
  const [limit = Number.NaN, used = Number.NaN, needed = Number.NaN] = rest.map(Number);
  if (Number.isNaN(needed)) throw new Error(`no numbers in '${reason}'`);
  return { what: what.trim(), used, needed, lacking: used + needed - limit };
}

function withPool(at: Moment, pool: ServedPool, change: (served: ServedPool) => ServedPool): Moment {
  const pools = (at.scene.pools ?? []).map((served) => (served.id === pool.id ? change(served) : served));
  return { ...at, scene: { ...at.scene, pools } };
}

function withHand(at: Moment, hand: Partial<Hand>): Moment {
  return { ...at, scene: { ...at.scene, hand: { ...at.scene.hand, ...hand } } };
}

const POOL_KEYS: Readonly<Record<string, "maxServers" | "maxCores" | "maxRam">> = {
  "max-servers": "maxServers",
  "max-cores": "maxCores",
  "max-ram": "maxRam",
};
const RESOURCES: Readonly<Record<string, string>> = {
  "max-servers": "instances",
  "max-cores": "cores",
  "max-ram": "ram",
};

/** The resource that a sentence names: of max-cores, of `the provider's quota of cores`. */
const resourceIn = (what: string) => RESOURCES[what] ?? / of (\S+)/.exec(what)?.[1] ?? "";

const raisePoolLimit: Cure = (at) => {
  const { what, used, needed } = numbersOf(at.reason);
  const key = POOL_KEYS[what];
  return withPool(at, at.pool, (served) => {
    const { pool } = served;
    if (key !== undefined) return { ...served, pool: { ...pool, [key]: used + needed } };
    const resources = { ...(pool.settings["max-resources"] as object), [resourceIn(what)]: used + needed };
    return { ...served, pool: { ...pool, settings: { ...pool.settings, "max-resources": resources } } };
  });
};

const raiseQuota: Cure = (at) => {
  const { what, used, needed } = numbersOf(at.reason);
  const limits = new Map(at.scene.hand?.limits);
  const { name } = at.pool.provider;
  limits.set(name, { instances: Infinity, ...limits.get(name), [resourceIn(what)]: used + needed });
  return withHand(at, { limits });
};

const raiseTenantLimit: Cure = (at) => {
  const { what, used, needed } = numbersOf(at.reason);
  const [, tenant = ""] = /of tenant '([^']*)'/.exec(at.reason) ?? [];
  const tenants = at.scene.tenants ?? {};
  const raised = { ...tenants[tenant], [resourceIn(what)]: used + needed };
  return { ...at, scene: { ...at.scene, tenants: { ...tenants, [tenant]: raised } } };
};

type NodeOf = NonNullable<Scene["nodes"]>[number];

/** Frees as many of these nodes as have what is lacking. */
function free(at: Trouble, belongs: (node: NodeOf) => boolean): Moment | null {
  const { what, lacking } = numbersOf(at.reason);
  const gone = new Set<string>();
  let freed = 0;
  for (const one of at.scene.nodes ?? []) {
    if (freed >= lacking) break;
    if (!belongs(one)) continue;
    const amounts = amountsOf(one.record?.resources ?? at.pool.resourcesOf(one.record?.type[0] ?? ""));
    freed += amounts[resourceIn(what)] ?? 0;
    gone.add(one.id);
  }
  if (freed < lacking) return null;
  return { ...at, scene: { ...at.scene, nodes: (at.scene.nodes ?? []).filter(({ id }) => !gone.has(id)) } };
}

const raiseNamed: Cure = (at) => {
  if (at.reason.includes("of tenant")) return raiseTenantLimit(at);
  return at.reason.includes("the provider's quota") ? raiseQuota(at) : raisePoolLimit(at);
};

/** Asks for one node, and a small one where there are such; null where that is what is asked for already. */
const askForLess: Cure = (at) => {
  const asking = at.scene.requests?.find(({ id }) => id === at.request);
  const labels = asking?.record?.nodeTypes ?? [];
  const less = at.pool.hosts ? labels.slice(0, 1) : ["small"];
  if (asking?.record == null || labels.join() === less.join()) return null;
  return withRequest(at, { nodeTypes: less });
};

function withRequest(at: Trouble, change: object): Moment {
  const requests = (at.scene.requests ?? []).map((one) =>
    one.id === at.request && one.record !== null ? { ...one, record: { ...one.record, ...change } } : one,
  );
  return { ...at, scene: { ...at.scene, requests } };
}

/** All slots of a pool's hosts as they are when nobody uses them and their hosts answer. */
function hostsBack(at: Trouble, returned: boolean): Moment {
  const hosts = new Map(at.scene.hand?.hosts);
  for (const host of at.pool.hosts ?? []) hosts.set(hostKey({ pool: at.pool, host }), checked(host));
  const answering = withHand(at, { hosts });
  if (!returned) return answering;
  const nodes = (at.scene.nodes ?? []).map((one) => {
    if (one.record?.provider !== at.pool.provider.name) return one;
    const { record } = one;
    const { slot, type, hostname, interfaceIp, externalId } = record;
    return slotNode(one.id, "ready", slot ?? 0, { type, hostname, interfaceIp, externalId });
  });
  return { ...answering, scene: { ...answering.scene, nodes } };
}

/** What the remedies of each rule come to, done by hand. */
export const CURES: Readonly<Record<Rule, readonly Cure[]>> = {
  disabled: [
    (at) =>
      withPool(at, at.pool, (served) => ({
        ...served,
        pool: { ...served.pool, maxServers: Math.max(1, served.pool.maxServers) },
        provider: { ...served.provider, maxConcurrency: Math.max(1, served.provider.maxConcurrency) },
      })),
  ],
  image: [
    (at) => ({
      ...at,
      scene: { ...at.scene, imageAt: [...(at.scene.imageAt ?? []), at.pool.provider.name] },
    }),
  ],
  impossible: [raiseNamed, askForLess],
  "foreign-use": [raiseQuota, (at) => withHand(at, { foreign: new Map() })],
  "too-few-hosts": [
    (at) =>
      withPool(at, at.pool, (served) => ({
        ...served,
        hosts: (served.hosts ?? []).map((host) => ({ ...host, slots: host.slots + 3 })),
      })),
    askForLess,
  ],
  tenant: [
    raiseTenantLimit,
    (at) =>
      free(at, ({ record }) => record?.state !== "ready" && at.reason.includes(`'${record?.tenantName}'`)),
  ],
  limits: [
    (at) => {
      const asking = new Set(at.scene.hand?.asking);
      asking.delete(at.pool.provider.name);
      return withHand(at, { asking });
    },
  ],
  refused: [
    (at) => {
      const [, time = ""] = /next try is at (\S+)/.exec(at.reason) ?? [];
      return { ...at, now: Date.parse(time) / 1000 };
    },
  ],
  concurrency: [
    (at) => {
      const { used, needed } = launching(at.reason);
      const pools = (at.scene.pools ?? []).map((served) =>
        served.provider.name === at.pool.provider.name
          ? { ...served, provider: { ...served.provider, maxConcurrency: used + needed } }
          : served,
      );
      return { ...at, scene: { ...at.scene, pools } };
    },
    (at) => {
      const launches = [...(at.scene.hand?.launches ?? [])].filter(
        ([, { pool }]) => pool.provider.name !== at.pool.provider.name,
      );
      return withHand(at, { launches: new Map(launches) });
    },
  ],
  aging: [
    (at) => {
      const [, before] = /request (\S+) /.exec(at.reason) ?? [];
      return {
        ...at,
        scene: { ...at.scene, requests: (at.scene.requests ?? []).filter(({ id }) => id !== before) },
      };
    },
  ],
  "pool-limit": [
    raisePoolLimit,
    (at) => free(at, ({ record }) => `${record?.provider}/${record?.pool}` === nameOf(at.pool)),
  ],
  "provider-limit": [
    raiseQuota,
    (at) => free(at, ({ record }) => record?.provider === at.pool.provider.name),
  ],
  reuse: [(at) => withRequest(at, { reuse: true })],
  hosts: [(at) => hostsBack(at, true)],
  "host-check": [(at) => hostsBack(at, false)],
};

function launching(reason: string): { used: number; needed: number } {
  const [, used = "", needed = ""] = /launching (\d+), needed (\d+)/.exec(reason) ?? [];
  return { used: Number(used), needed: Number(needed) };
}
