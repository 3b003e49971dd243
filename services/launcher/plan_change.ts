// What the launcher would do with another configuration: its own decision about everything, with each of the two.
import type { Config } from "../../lib/config/types.ts";
import type { PlannedChange } from "../../lib/daemon/types.ts";
import { newPool } from "../../lib/model/component.ts";
import type { Resources } from "../../lib/provider/contract.ts";
import { hostsOf } from "../../lib/provider/static/hosts.ts";
import type { PoolEntry } from "../../lib/zookeeper/view.ts";
import type { Action, Hand, Tree } from "./actions.ts";
import { decide } from "./decide.ts";
import { nameOf, offeredLabels, poolKey, type ServedPool } from "./pool/served.ts";
import { WorldIndex } from "./world_index.ts";

/** How things are. */
export interface Situation {
  readonly tree: Tree;
  readonly config: Config;
  readonly pools: readonly ServedPool[];
  readonly hand: Hand;
  /** Seconds since the epoch. */
  readonly now: number;
}

/** What `next` changes against the configuration in force. */
export function planChange(situation: Situation, next: Config): PlannedChange[] {
  const pools = poolsThen(situation.pools, next);
  const tree = treeThen(situation.tree, situation.pools, pools, next);
  return [
    ...labelChanges(situation.pools, pools),
    ...requestChanges(situation.tree, situation.pools, pools),
    ...decisionChanges(situation, { ...situation, tree, config: next, pools }),
    ...drains(situation.tree, situation.pools, pools),
    ...limitChanges(situation.tree, situation.pools, pools),
  ];
}

/** The pools of the other configuration. A pool that stays keeps its id; whether a new provider answers is not known. */
function poolsThen(now: readonly ServedPool[], next: Config): ServedPool[] {
  return next.providers.flatMap((provider) =>
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

/** A request needs one pool that offers all its labels. */
function canServe(pools: readonly ServedPool[], labels: readonly string[]): boolean {
  return pools.some((pool) => {
    const offered = offeredLabels(pool);
    return labels.every((label) => offered.includes(label));
  });
}

function requestChanges(
  tree: Tree,
  now: readonly ServedPool[],
  then: readonly ServedPool[],
): PlannedChange[] {
  return [...tree.requests()].flatMap(({ id, record }) => {
    if (record === null || (record.state !== "requested" && record.state !== "pending")) return [];
    const labels = record.nodeTypes;
    const [before, after] = [canServe(now, labels), canServe(then, labels)];
    if (before === after) return [];
    const subject = `${id} (${labels.join(", ")})`;
    return after
      ? { kind: "serve-request", subject, reason: "a pool will offer its labels", destructive: false }
      : {
          kind: "drop-request",
          subject,
          reason: "no pool of this launcher will offer its labels",
          destructive: true,
        };
  });
}

/** What the decisions about everything have that the others have not. */
function decisionChanges(now: Situation, then: Situation): PlannedChange[] {
  const [before, after] = [actionsOf(now), actionsOf(then)];
  return [...after].filter(([key]) => !before.has(key)).map(([, change]) => change);
}

/** The tree in which our pools say what they would say with the other configuration. */
function treeThen(tree: Tree, now: readonly ServedPool[], then: readonly ServedPool[], config: Config): Tree {
  const known = new Map([...tree.pools()].map((entry) => [entry.record?.id, entry]));
  const others = [...tree.pools()].filter(({ record }) => !now.some(({ id }) => id === record?.id));
  const own = then.map((pool, position): PoolEntry => {
    const labels = offeredLabels(pool);
    const kept = labels.map((label) => [label, config.labels.get(label)?.minReady ?? 0] as const);
    const record = newPool({
      id: pool.id,
      name: pool.pool.name,
      priority: pool.pool.priority,
      providerName: pool.provider.name,
      supportedLabels: labels,
      extra: { min_ready: Object.fromEntries(kept.filter(([, count]) => count > 0)) },
    });
    // A new pool registers after all that are there.
    const last = {
      problem: null,
      version: 0,
      createdAt: 0,
      modifiedAt: 0,
      znode: `z${9_000_000_000 + position}`,
    };
    return { ...last, ...known.get(pool.id), record };
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

function actionsOf({ tree, config, pools, hand, now }: Situation): Map<string, PlannedChange> {
  const index = new WorldIndex({ tree, config, pools, hand });
  const { actions } = decide({ tree, config, pools, hand, index, now });
  const changes = actions.flatMap((action) => changeOf(action));
  return new Map(changes.map((change) => [`${change.kind} ${change.subject}`, change]));
}

function changeOf(action: Action): PlannedChange[] {
  switch (action.kind) {
    case "ask-min-ready": {
      const subject = `${action.count} of ${action.label}`;
      return [{ kind: "launch", subject, reason: "min-ready asks for them", destructive: false }];
    }
    case "serve": {
      const count = action.nodes.filter((node) => node === null).length;
      const subject = `${count} for ${action.request} at ${nameOf(action.pool)}`;
      return count === 0 ? [] : [{ kind: "launch", subject, reason: "a request waits", destructive: false }];
    }
    case "delete":
      return [
        { kind: "delete-node", subject: action.node, reason: `it ${action.reason}`, destructive: true },
      ];
    case "abandon":
      return [
        {
          kind: "delete-node",
          subject: action.node,
          reason: `its launch: ${action.reason}`,
          destructive: true,
        },
      ];
    default:
      return [];
  }
}

/** Nodes of pools that go: they live out their lives, and no other takes their place. */
function drains(tree: Tree, now: readonly ServedPool[], then: readonly ServedPool[]): PlannedChange[] {
  const isOpen = (pools: readonly ServedPool[]) =>
    new Set(pools.filter((pool) => offeredLabels(pool).length > 0).map(nameOf));
  const [before, after] = [isOpen(now), isOpen(then)];
  return [...tree.nodes()].flatMap(({ id, record }) => {
    const place = poolKey(record?.provider ?? null, record?.pool ?? null);
    if (record === null || record.state === "deleting" || !before.has(place) || after.has(place)) return [];
    const reason = `pool ${place} is closed: the node (${record.state}) lives out its life, and none follows it`;
    return { kind: "drain", subject: `${id} (${record.type.join(", ")})`, reason, destructive: true };
  });
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
      const over =
        key === "max-servers" && nodes > to
          ? `; ${nodes} nodes are there: none is launched until ${nodes - Math.max(0, to) + 1} are gone`
          : "";
      const words = (limit: number) => (Number.isFinite(limit) ? String(limit) : "no limit");
      const reason = `from ${words(from)} to ${words(to)}${over}`;
      return { kind: "quota", subject: `${key} of ${place}`, reason, destructive: false };
    });
  });
}
