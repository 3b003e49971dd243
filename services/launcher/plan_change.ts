// What the launcher would do with another configuration: its own decision about everything, with each of the two.
import { isDeepStrictEqual } from "node:util";
import type { Config, ProviderConfig } from "../../lib/config/types.ts";
import type { PlannedChange } from "../../lib/daemon/types.ts";
import type { NodeRecord } from "../../lib/model/node.ts";
import type { Resources } from "../../lib/provider/contract.ts";
import { hasDriver } from "../../lib/provider/registry.ts";
import { hostsOf } from "../../lib/provider/static/hosts.ts";
import type { PoolEntry } from "../../lib/zookeeper/view.ts";
import type { Hand, Tree } from "./actions.ts";
import { type Future, foresee } from "./foresee.ts";
import { nameOf, offeredLabels, poolKey, poolRecord, type ServedPool } from "./pool/served.ts";
import type { UnservedPool } from "./pool/unserved.ts";

/** How things are. */
export interface Situation {
  readonly tree: Tree;
  readonly config: Config;
  readonly pools: readonly ServedPool[];
  readonly unserved: readonly UnservedPool[];
  readonly hand: Hand;
  /** Seconds since the epoch. */
  readonly now: number;
}

/** What `next` changes against the configuration in force. */
export function planChange(situation: Situation, next: Config): PlannedChange[] {
  const { tree, now } = situation;
  const pools = poolsThen(situation, next);
  const providers = namesOf(providersThen(situation, next));
  const before = foresee(
    { ...situation, providers: namesOf(providersThen(situation, situation.config)) },
    now,
  );
  const after = foresee(
    {
      tree: treeThen(tree, situation.pools, pools, next),
      config: next,
      pools,
      providers,
      unserved: unservedThen(situation, next),
      hand: handThen(situation.hand, situation.pools, pools),
    },
    now,
  );
  return [
    ...labelChanges(situation.pools, pools),
    ...requestChanges(tree, before, after),
    ...launchChanges(before, after),
    ...deletionChanges(before, after),
    ...drains(tree, situation.pools, pools, providers, after),
    ...limitChanges(tree, situation.pools, pools),
  ];
}

/**
 * The providers of a configuration that can be used. Whether a new one answers is not known, nor one without pools; one
 * whose pools are not served now, and that stays as it is, does not.
 */
function providersThen({ config, pools: now }: Situation, next: Config): ProviderConfig[] {
  const isServed = ({ name }: ProviderConfig) => now.some(({ provider }) => provider.name === name);
  const isKnown = (provider: ProviderConfig) =>
    config.providers.some((known) => isDeepStrictEqual(known, provider));
  const mayServe = (provider: ProviderConfig) =>
    hasDriver(provider.driver) && (provider.pools.length === 0 || isServed(provider) || !isKnown(provider));
  return next.providers.filter(mayServe);
}

const namesOf = (providers: readonly ProviderConfig[]) => new Set(providers.map(({ name }) => name));

/** The pools of the other configuration. A pool that stays keeps its id. */
function poolsThen(situation: Situation, next: Config): ServedPool[] {
  const { pools: now } = situation;
  return providersThen(situation, next).flatMap((provider) =>
    provider.pools.map((pool): ServedPool => {
      const before = now.find((served) => nameOf(served) === poolKey(provider.name, pool.name));
      const known = new Set(before?.pool.labels.map(({ name }) => name));
      return {
        id: before?.id ?? `${provider.name}-${pool.name}`,
        provider,
        pool,
        hosts: hostsOf(provider, pool),
        resourcesOf: (label): Resources =>
          before !== undefined && known.has(label) ? before.resourcesOf(label) : { instances: 1 },
      };
    }),
  );
}

/** Those that cannot be used now, as far as the other configuration has them. */
function unservedThen({ unserved }: Situation, { providers }: Config): UnservedPool[] {
  const names = new Set(
    providers.flatMap(({ name, pools }) => pools.map((pool) => poolKey(name, pool.name))),
  );
  return unserved.filter(({ pool }) => names.has(pool));
}

function offers(pools: readonly ServedPool[]): Map<string, string[]> {
  const labels = new Map<string, string[]>();
  for (const pool of pools) {
    for (const label of offeredLabels(pool)) labels.set(label, [...(labels.get(label) ?? []), nameOf(pool)]);
  }
  return labels;
}

function labelChanges(now: readonly ServedPool[], then: readonly ServedPool[]): PlannedChange[] {
  const [before, after] = [offers(now), offers(then)];
  const gained = [...after].filter(([label]) => !before.has(label));
  const lost = [...before].filter(([label]) => !after.has(label));
  return [
    ...gained.map(([label, pools]) => ({
      kind: "serve-label",
      subject: label,
      reason: `${pools.join(", ")} will serve it`,
      destructive: false,
    })),
    ...lost.map(([label, pools]) => ({
      kind: "drop-label",
      subject: label,
      reason: `${pools.join(", ")} served it, and no pool of this launcher will`,
      destructive: true,
    })),
  ];
}

/** Requests that end otherwise. */
function requestChanges(tree: Tree, before: Future, after: Future): PlannedChange[] {
  return [...after.requests].flatMap(([id, then]): PlannedChange[] => {
    const now = before.requests.get(id);
    const labels = tree.request(id)?.record?.nodeTypes ?? [];
    const subject = `${id} (${labels.join(", ")})`;
    if (now === then) return [];
    if (then === "fulfilled") {
      return [{ kind: "serve-request", subject, reason: "it will get its nodes", destructive: false }];
    }
    if (then === "failed") {
      const reason = "no pool of this launcher will take it, so it fails";
      return [{ kind: "drop-request", subject, reason, destructive: true }];
    }
    if (now !== "fulfilled") return [];
    const reason = "it would get its nodes now, and will have to wait";
    return [{ kind: "delay-request", subject, reason, destructive: false }];
  });
}

/** Launches that there would not be otherwise, by pool, label and what they are for. */
function launchChanges(before: Future, after: Future): PlannedChange[] {
  const count = ({ launches }: Future) => {
    const counts = new Map<string, number>();
    for (const { label, pool, request } of launches) {
      const key = JSON.stringify([label, pool, request]);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return counts;
  };
  const now = count(before);
  return [...count(after)].flatMap(([key, then]) => {
    const more = then - (now.get(key) ?? 0);
    if (more <= 0) return [];
    const [label, pool, request] = JSON.parse(key) as [string, string, string | null];
    const reason = request === null ? "min-ready asks for them" : `request ${request} waits`;
    return [{ kind: "launch", subject: `${more} of ${label} at ${pool}`, reason, destructive: false }];
  });
}

function deletionChanges(before: Future, after: Future): PlannedChange[] {
  return [...after.deletions].flatMap(([node, why]) =>
    before.deletions.has(node)
      ? []
      : [{ kind: "delete-node", subject: node, reason: why, destructive: true }],
  );
}

/** What is in hand, as the launcher takes it over: pools that go are retired. */
function handThen(hand: Hand, now: readonly ServedPool[], then: readonly ServedPool[]): Hand {
  const retired = new Set([...hand.retired, ...now.map(nameOf)]);
  for (const pool of then) retired.delete(nameOf(pool));
  return {
    ...hand,
    isBusy: (key) => hand.isBusy(key),
    retryAt: (key) => hand.retryAt(key),
    retired,
    withdrawing: new Set(),
  };
}

/** The tree in which our pools say what they would say with the other configuration. */
function treeThen(tree: Tree, now: readonly ServedPool[], then: readonly ServedPool[], config: Config): Tree {
  const known = new Map([...tree.pools()].map((entry) => [entry.record?.id, entry]));
  const others = [...tree.pools()].filter(({ record }) => !now.some(({ id }) => id === record?.id));
  const own = then.map((pool, position): PoolEntry => {
    // A new pool registers after all that are there.
    const last = {
      problem: null,
      version: 0,
      createdAt: 0,
      modifiedAt: 0,
      znode: `z${9_000_000_000 + position}`,
    };
    return { ...last, ...known.get(pool.id), record: poolRecord(pool, config) };
  });
  return {
    node: (id) => tree.node(id),
    nodes: () => tree.nodes(),
    request: (id) => tree.request(id),
    requests: () => tree.requests(),
    image: (name) => tree.image(name),
    pools: () => [...own, ...others],
  };
}

/** Nodes of pools that go: they live out their lives, and no other takes their place. */
function drains(
  tree: Tree,
  now: readonly ServedPool[],
  then: readonly ServedPool[],
  providers: ReadonlySet<string>,
  after: Future,
): PlannedChange[] {
  const isOpen = (pools: readonly ServedPool[]) =>
    new Set(pools.filter((pool) => offeredLabels(pool).length > 0).map(nameOf));
  const [open, stays] = [isOpen(now), isOpen(then)];
  return [...tree.nodes()].flatMap(({ id, record }) => {
    const place = poolKey(record?.provider ?? null, record?.pool ?? null);
    if (record === null || record.state === "deleting" || !open.has(place) || stays.has(place)) return [];
    if (after.deletions.has(id)) return [];
    const isLeft = !providers.has(record.provider ?? "");
    const reason = isLeft
      ? `provider ${record.provider} goes: nobody deletes the node (${record.state})${endOf(now, record)}`
      : `pool ${place} is closed: the node (${record.state}) lives out its life, and none follows it`;
    return { kind: "drain", subject: `${id} (${record.type.join(", ")})`, reason, destructive: true };
  });
}

/** What else becomes of a node whose provider goes. */
function endOf(now: readonly ServedPool[], { provider: name }: NodeRecord): string {
  const isHere = now.some(({ provider }) => provider.name === name && provider.driver === "local");
  return isHere ? ", and what runs on it ends" : "";
}

/** Pools whose room changes, and those that have more nodes than they will take. */
function limitChanges(tree: Tree, now: readonly ServedPool[], then: readonly ServedPool[]): PlannedChange[] {
  const used = new Map<string, number>();
  for (const { record } of tree.nodes()) {
    if (record === null || record.state === "deleting") continue;
    const place = poolKey(record.provider, record.pool);
    used.set(place, (used.get(place) ?? 0) + 1);
  }
  const limits = [
    ["max-servers", ({ pool }: ServedPool) => pool.maxServers],
    ["max-cores", ({ pool }: ServedPool) => pool.maxCores],
    ["max-ram", ({ pool }: ServedPool) => pool.maxRam],
  ] as const;
  return then.flatMap((served) => {
    const place = nameOf(served);
    const before = now.find((candidate) => nameOf(candidate) === place);
    if (before === undefined) return [];
    return limits.flatMap(([key, limitOf]) => {
      const [from, to] = [limitOf(before), limitOf(served)];
      if (from === to) return [];
      const nodes = used.get(place) ?? 0;
      const then = to > 0 ? `until ${nodes - to + 1} are gone` : "any more";
      const over =
        key === "max-servers" && nodes > to ? `; ${nodes} nodes are there: none is launched ${then}` : "";
      const words = (limit: number) => (Number.isFinite(limit) ? String(limit) : "no limit");
      const reason = `from ${words(from)} to ${words(to)}${over}`;
      return { kind: "quota", subject: `${key} of ${place}`, reason, destructive: false };
    });
  });
}
