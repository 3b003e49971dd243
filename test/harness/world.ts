// Builds what the launcher's decisions look at, from a few words a test.
import type { LabelConfig, PoolConfig, ProviderConfig } from "../../lib/config/types.ts";
import { newPool, type PoolRecord } from "../../lib/model/component.ts";
import { newUpload } from "../../lib/model/image.ts";
import { type NodeRecord, newNode } from "../../lib/model/node.ts";
import { newRequest, type RequestRecord } from "../../lib/model/request.ts";
import type { ImageEntry, NodeEntry, PoolEntry, RequestEntry } from "../../lib/zookeeper/view.ts";
import type { Action, Hand, LaunchStatus, SeenLease, World } from "../../services/launcher/actions.ts";
import { decide, reasonOf } from "../../services/launcher/decide.ts";
import { hostKey } from "../../services/launcher/host/slots.ts";
import { poolRecord, type ServedPool } from "../../services/launcher/pool/served.ts";
import type { UnservedPool } from "../../services/launcher/pool/unserved.ts";
import { ownDataOf } from "../../services/launcher/request/own_data.ts";
import { WorldIndex } from "../../services/launcher/world_index.ts";

/** The time at which every test decides, in seconds. */
export const NOW = 10_000;

/** A pool named provider/pool whose id is the same; every label is launched from the image `image`. */
export function pool(
  name: string,
  labels: string[],
  more: Partial<PoolConfig> & { provider?: Partial<ProviderConfig> } = {},
): ServedPool {
  const [providerName = "", poolName = ""] = name.split("/");
  const { provider, ...rest } = more;
  const config: PoolConfig = {
    name: poolName,
    maxServers: Infinity,
    maxCores: Infinity,
    maxRam: Infinity,
    priority: 100,
    nodeAttributes: {},
    ignoreProviderQuota: false,
    settings: {},
    labels: labels.map((label) => ({
      name: label,
      diskimage: "image",
      cloudImage: null,
      hostKeyChecking: true,
      consoleLog: false,
      settings: {},
    })),
    ...rest,
  };
  return {
    id: name,
    pool: config,
    provider: {
      name: providerName,
      driver: "fake",
      maxConcurrency: Infinity,
      bootTimeout: 60,
      launchTimeout: 60,
      launchRetries: 3,
      imageUploadTimeout: 60,
      imageNameFormat: "",
      postUploadHook: null,
      imageFormat: "raw",
      managesImages: true,
      diskimages: [],
      pools: [config],
      settings: {},
      ...provider,
    },
    resourcesOf: () => ({ instances: 1, cores: 2, ram: 1024 }),
  };
}

const FREE = { exists: false, contenders: [] };
export const LOCKED = { exists: true, contenders: ["0000__lock__0000000000"] };

/** A node of cloud/main with the label `small`. */
export function node(
  id: string,
  state: NodeRecord["state"],
  more: Partial<NodeRecord> & { locked?: boolean } = {},
): NodeEntry {
  const { locked = false, ...fields } = more;
  const record = newNode(NOW - 100, { provider: "cloud", pool: "main", type: ["small"], state, ...fields });
  return entry(id, record, locked);
}

/** A request for one `small` made 10 seconds ago. */
export function request(id: string, more: Partial<RequestRecord> & { locked?: boolean } = {}): RequestEntry {
  const { locked = false, ...fields } = more;
  return entry(id, newRequest(NOW - 10, { nodeTypes: ["small"], requestor: "zuul", ...fields }), locked);
}

function entry<T>(id: string, record: T, locked: boolean) {
  const lock = locked ? LOCKED : FREE;
  return { id, record, problem: null, version: 0, createdAt: NOW - 10, modifiedAt: NOW - 10, lock };
}

/** Another launcher's pool. */
export function otherPool(name: string, labels: string[], more: Partial<PoolRecord> = {}): PoolEntry {
  const [providerName = "", poolName = ""] = name.split("/");
  const given = { id: `other ${name}`, name: poolName, providerName, supportedLabels: labels };
  return registered(newPool({ ...given, ...more }), 900);
}

function registered(record: PoolRecord, sequence: number): PoolEntry {
  const znode = `host${String(sequence).padStart(10, "0")}`;
  return { record, problem: null, version: 0, createdAt: 0, modifiedAt: 0, znode };
}

/** What a test says of the world; the rest is empty. */
export interface Scene {
  readonly pools?: readonly ServedPool[];
  readonly others?: readonly PoolEntry[];
  readonly nodes?: readonly NodeEntry[];
  readonly requests?: readonly RequestEntry[];
  readonly labels?: Readonly<Record<string, Partial<LabelConfig>>>;
  /** Providers that have the image. @default all of the pools' */
  readonly imageAt?: readonly string[];
  readonly maxHoldAge?: number;
  /** Limits of tenants. */
  readonly tenants?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Providers that can be used although they have no pools. */
  readonly poolless?: readonly string[];
  readonly unserved?: readonly UnservedPool[];
  readonly hand?: Partial<Hand>;
  readonly busy?: readonly string[];
}

/** The world of a scene. */
export function world(scene: Scene): World {
  const pools = scene.pools ?? [pool("cloud/main", ["small", "large"])];
  const labels = Object.entries(scene.labels ?? {}).map(
    ([name, label]) => [name, { name, minReady: 0, maxReadyAge: 0, ...label }] as const,
  );
  const own = pools.map((served, index) =>
    registered(poolRecord(served, { labels: new Map(labels) }), index),
  );
  const nodes = new Map((scene.nodes ?? []).map((one) => [one.id, one]));
  const requests = new Map((scene.requests ?? []).map((one) => [one.id, one]));
  const image = imageEntry(scene.imageAt ?? pools.map((served) => served.provider.name));
  const surroundings: Omit<World, "index" | "now"> = {
    tree: {
      node: (id) => nodes.get(id),
      nodes: () => nodes.values(),
      request: (id) => requests.get(id),
      requests: () => requests.values(),
      image: (name) => (name === "image" ? image : undefined),
      pools: () => [...own, ...(scene.others ?? [])],
    },
    config: {
      labels: new Map(labels),
      maxHoldAge: scene.maxHoldAge ?? Infinity,
      tenantLimits: new Map(Object.entries(scene.tenants ?? {})),
    },
    pools,
    providers: new Set([...pools.map(({ provider }) => provider.name), ...(scene.poolless ?? [])]),
    unserved: scene.unserved ?? [],
    hand: { ...emptyHand(scene.busy ?? []), leasesSeen: leasesOf(requests.values()), ...scene.hand },
  };
  return { ...surroundings, index: new WorldIndex(surroundings), now: NOW };
}

/** The leases as they were seen when they were given, by clocks that are right. */
function leasesOf(requests: Iterable<RequestEntry>): Map<string, SeenLease> {
  const seen = Array.from(requests, ({ id, record }): [string, SeenLease][] => {
    try {
      const lease = record && ownDataOf(record).lease;
      return lease ? [[id, { expires: lease.expires, at: lease.expires - lease.duration }]] : [];
    } catch {
      // A test has made it unreadable: then the launcher has not seen its lease either.
      return [];
    }
  });
  return new Map(seen.flat());
}

function emptyHand(busy: readonly string[]): Hand {
  return {
    isBusy: (key) => busy.includes(key),
    retryAt: () => null,
    requests: new Map(),
    launches: new Map(),
    claims: new Map(),
    deletions: new Set(),
    limits: new Map(),
    asking: new Set(),
    setbacks: new Map(),
    retired: new Set(),
    withdrawing: new Set(),
    away: [],
    foreign: new Map(),
    quotaBlocks: new Map(),
    holdWishes: new Map(),
    leasesSeen: new Map(),
    currentSince: 0,
    hosts: new Map(),
    keeping: new Map(),
  };
}

function imageEntry(providers: readonly string[]): ImageEntry {
  const uploads = providers.map((provider) => ({
    image: "image",
    build: "b1",
    provider,
    upload: "0000000001",
    record: newUpload(1, { state: "ready", externalId: "image-id", username: "zuul" }),
    problem: null,
    version: 0,
    createdAt: 0,
    modifiedAt: 0,
  }));
  const build = { image: "image", build: "b1", record: null, problem: null, version: 0, createdAt: 0 };
  return {
    image: "image",
    paused: false,
    buildRequest: null,
    lock: FREE,
    builds: [{ ...build, modifiedAt: 0, uploads, uploading: new Set() }],
  };
}

/** A launch in hand for a request. */
export function launch(
  id: string,
  served: ServedPool,
  more: Partial<LaunchStatus> = {},
): [string, LaunchStatus] {
  const fields = {
    node: id,
    request: null,
    pool: served,
    label: "small",
    leased: false,
    reason: "",
  } as const;
  return [id, { ...fields, status: "launching", ...more }];
}

/** Decides, and tells each action in a few words, as "serve 200-1 at cloud/main with 0001,new". */
export function decideIn(scene: Scene) {
  const seen = world(scene);
  const decision = decide(seen);
  const reasons = [...seen.tree.requests()].flatMap(({ id }) => {
    const reason = reasonOf(seen, decision, id);
    return reason === undefined ? [] : [[id, reason]];
  });
  return {
    actions: decision.actions.map(tell),
    reasons: Object.fromEntries(reasons),
    labelReasons: Object.fromEntries(decision.labelReasons),
    paused: [...decision.paused],
    unable: Object.fromEntries(Array.from(decision.unable, ([id, labels]) => [id, [...labels]])),
    wakeAt: decision.wakeAt,
  };
}

/** An action in a few words. */
export function tell(action: Action): string {
  switch (action.kind) {
    case "serve":
      return `serve ${action.request} at ${action.pool.id} with ${action.nodes.map((id) => id ?? "new").join()}`;
    case "supplement":
      return `supplement ${action.request} with ${action.labels.map((label, at) => action.nodes[at] ?? label).join()}`;
    case "fulfil":
      return `fulfil ${action.request} with ${action.nodes.join()}`;
    case "decline":
      return `${action.failed ? "fail" : "decline"} ${action.request}: ${action.reason}`;
    case "give-up":
      return `give up ${action.request} for ${action.node ?? action.reason}${action.failed ? ", failed" : ""}`;
    case "ask-min-ready":
      return `ask for ${action.count} ${action.label}`;
    case "launch":
      return `launch ${action.node} for ${action.request ?? "nobody"}`;
    case "delete":
    case "abandon":
      return `${action.kind} ${action.node}: ${action.reason}`;
    case "store":
    case "free":
    case "hold":
    case "return":
      return `${action.kind} ${action.node}`;
    case "check-host":
      return `check ${hostKey(action.placed)}`;
    case "register-slots": {
      const slots = action.records.map(({ slot, state }) => `${slot} ${state}`).join();
      return `register ${hostKey(action.placed)} ${slots}`;
    }
    case "update-slot":
      return `update ${action.node} ${action.record.state}`;
    case "adopt":
      return `adopt ${action.request} at ${action.pool.id}`;
    default:
      return `${action.kind} ${action.request}`;
  }
}
