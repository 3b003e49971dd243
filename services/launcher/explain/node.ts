// Explains a node: why it is in its state, what it waits for, and when it goes. Pure.
import { sharedOf, shareOf } from "../../../lib/model/shared_node.ts";
import type { NodeEntry } from "../../../lib/zookeeper/view.ts";
import { type Hand, keys } from "../actions.ts";
import { outOfService } from "../host/record.ts";
import { awaitedFor } from "../node/decide.ts";
import { whyAway } from "../pool/away.ts";
import { poolKey } from "../pool/served.ts";
import { holdWishOf, nodeLeaseOf } from "../request/own_data.ts";
import { type Decided, type Explanation, secondsTo } from "./explanation.ts";
import { hostFacts } from "./host.ts";

/** How a node is, where its state is no word for that. */
const WORDS: Readonly<Record<string, string>> = { init: "recorded", hold: "held", "in-use": "in use" };

/** That the last look at its provider did not find a node's instance. */
export interface Lost {
  /** When that was, in seconds. */
  readonly at: number;
  /** Why the cleanup does not delete it; empty when it does. */
  readonly stopped: string;
}

/** @param lost null when the last look found its instance, or there was none */
export function explainNode(
  { world }: Pick<Decided, "world">,
  node: NodeEntry,
  lost: Lost | null = null,
): Explanation {
  const { record, id } = node;
  const nothing = { pools: [], before: null };
  if (record === null) {
    return { ...nothing, summary: node.problem ?? "its document cannot be read", facts: [] };
  }
  const age = Math.max(0, Math.round(world.now - record.stateTime));
  const place = record.provider === null ? "" : ` in ${poolKey(record.provider, record.pool)}`;
  const facts = [`it has been ${WORDS[record.state] ?? record.state} for ${age} s${place}`];
  const { hand } = world;
  if (record.allocatedTo !== null) {
    const isGone = world.tree.request(record.allocatedTo) === undefined;
    facts.push(`it is allocated to request ${record.allocatedTo}${isGone ? ", which is gone" : ""}`);
  }
  const lease = nodeLeaseOf(record);
  if (lease !== null) facts.push(`the lease of request ${lease.request} holds it`);
  else if (node.lock.contenders.length > 0) facts.push("it is locked by who uses it or works on it");
  if (holdWishOf(record) !== null || hand.holdWishes.has(id)) facts.push("it is held when it is returned");
  const launch = hand.launches.get(id);
  if (launch !== undefined)
    facts.push(`this launcher's launch of it: ${launch.status}${reasonAfter(launch.reason)}`);
  const undecided = world.index.undecided.get(keys.node(id));
  if (undecided !== undefined) {
    facts.push(`${undecided.reason}; next try in ${secondsTo(undecided.until, world.now)} s`);
  }
  const retry = hand.retryAt(keys.node(id));
  if (retry !== null) facts.push(`something about it failed; next try in ${secondsTo(retry, world.now)} s`);
  if (lost !== null) facts.push(lossOf(lost, node, world.now));
  const idle = record.state === "ready" || record.state === "testing" ? awaitedFor(world, record) : undefined;
  if (idle !== undefined)
    facts.push(`nobody else offers its labels, and it is kept: ${whyAway(idle, world.now)}`);
  const more = [...sharingOf(world, id, record), ...hostFacts(world, id), ...endOf(world, node, record)];
  return { ...nothing, summary: summaryOf(world, node, record), facts: [...facts, ...more] };
}

function lossOf({ at, stopped }: Lost, { lock }: NodeEntry, now: number): string {
  const found = `the look at its provider ${Math.max(0, Math.round(now - at))} s ago found its instance gone or not running`;
  if (stopped !== "") return `${found}; ${stopped}`;
  return `${found}; ${lock.contenders.length > 0 ? "it stays while it is locked" : "it goes when the next one finds that too"}`;
}

type NodeRecord = NonNullable<NodeEntry["record"]>;

const reasonAfter = (reason: string) => (reason === "" ? "" : `: ${reason}`);

function summaryOf(world: Decided["world"], node: NodeEntry, record: NodeRecord): string {
  return `${stateOf(world.hand, node, record)}${strangerOf(world, record)}`;
}

function stateOf(hand: Hand, { id, lock }: NodeEntry, record: NodeRecord): string {
  const isLocked = lock.contenders.length > 0;
  const launch = hand.launches.get(id);
  switch (record.state) {
    case "init":
      return "it is recorded and waits for its launch";
    case "building":
      if (launch?.status === "failed") return `its launch has failed${reasonAfter(launch.reason)}`;
      if (launch?.status === "aborted") return `its launch was given up${reasonAfter(launch.reason)}`;
      if (launch !== undefined) return "this launcher launches it";
      return isLocked ? "another launcher launches it" : "nobody launches it";
    case "ready":
      if (record.allocatedTo !== null) return "it waits for its requester";
      return isLocked
        ? "it is ready, but no request gets it while it is locked"
        : "it is ready for a request";
    case "in-use":
      return "it is in use";
    case "testing":
      return `its host is out of service: ${outOfService(record) ?? ""}`;
    case "hold":
      return `it is held${reasonAfter(record.comment ?? "")}`;
    default:
      return hand.deletions.has(id) ? "it is being deleted at its provider" : "it waits for its deletion";
  }
}

/** Who has to do with its provider where that is not this launcher. */
function strangerOf({ providers, tree }: Decided["world"], { provider }: NodeRecord): string {
  if (provider === null) return "; it names no provider";
  if (providers.has(provider)) return "";
  const isElsewhere = [...tree.pools()].some(({ record }) => record?.providerName === provider);
  if (isElsewhere) return `; another launcher serves provider '${provider}'`;
  const remedy = `put it back into a configuration, or forget its records with nodepool erase ${provider}`;
  return `; no launcher serves provider '${provider}': ${remedy}`;
}

/** What it shares, what it stands on, or why it has nothing to stand on yet. */
function sharingOf({ pools, tree }: Decided["world"], id: string, record: NodeRecord): string[] {
  const [share, shared] = [shareOf(record), sharedOf(record)];
  const provider = shared?.provider ?? record.provider;
  const driver = pools.find((pool) => pool.provider.name === provider)?.driver;
  const progress = driver?.progress?.(id) ?? null;
  const facts: string[] = [];
  if (share !== null) {
    const backing = tree.node(share.backingNode)?.record;
    const state = backing ? `${backing.state} in ${poolKey(backing.provider, backing.pool)}` : "gone";
    facts.push(`it stands on slot ${share.slot} of node ${share.backingNode}, which is ${state}`);
  }
  if (shared !== null)
    facts.push(`provider ${shared.provider} shares it out to nodes of label ${shared.label}`);
  return progress === null ? facts : [...facts, progress];
}

/** When age alone ends it: at the first of its limits, at a launcher that serves its provider. */
function endOf(
  { config, now, providers }: Decided["world"],
  { lock }: NodeEntry,
  record: NodeRecord,
): string[] {
  if (!providers.has(record.provider ?? "")) return [];
  const limits: [string, number][] = [];
  if (record.state === "ready" && record.allocatedTo === null) {
    for (const label of record.type) {
      limits.push([`max-ready-age of ${label}`, config.labels.get(label)?.maxReadyAge ?? 0]);
    }
  }
  if (record.state === "hold") {
    limits.push(["its own hold_expiration", record.holdExpiration ?? 0]);
    limits.push(["max-hold-age", config.maxHoldAge]);
  }
  const set = limits.filter(([, limit]) => limit > 0 && Number.isFinite(limit));
  const [first] = set.sort(([, left], [, right]) => left - right);
  if (first === undefined) return [];
  const [name, limit] = first;
  const rest = secondsTo(record.stateTime + limit, now);
  const unless = lock.contenders.length > 0 ? ", once nobody has it locked" : "";
  return [`${name} ends it in ${rest} s${unless}`];
}
