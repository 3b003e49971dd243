// What the launcher would do from a state on: its own decisions, with each action taken for done, until nothing is left
// to do.
import { type NodeRecord, newNode } from "../../lib/model/node.ts";
import { MIN_READY_REQUESTOR, newRequest, type RequestRecord } from "../../lib/model/request.ts";
import type { NodeEntry, RequestEntry } from "../../lib/zookeeper/view.ts";
import type { Action, Hand, LaunchStatus, Tree, World } from "./actions.ts";
import { decide } from "./decide.ts";
import { nameOf, type ServedPool } from "./pool/served.ts";
import { encodeOwnData, ownDataOf } from "./request/own_data.ts";
import { WorldIndex } from "./world_index.ts";

/** Rounds of decisions after which it is taken for the end: each brings a node or a request a step further. */
const MAXIMUM_ROUNDS = 1000;

/** How things are. */
type Situation = Omit<World, "index" | "now">;

/** Where decisions lead to. */
export interface Future {
  /** Launches by `LABEL at POOL`, with the requests that they are for; null: none but min-ready. */
  readonly launches: readonly {
    readonly label: string;
    readonly pool: string;
    readonly request: string | null;
  }[];
  /** Why each node that goes does so. */
  readonly deletions: ReadonlyMap<string, string>;
  /** The state that each request of now ends in; those that are gone are "gone". */
  readonly requests: ReadonlyMap<string, RequestRecord["state"] | "gone">;
}

/** What follows from how things are, if nothing else happens and all goes well. @param now seconds since the epoch */
export function foresee(from: Situation, now: number): Future {
  const stage = new Stage(from, now);
  for (let round = 0; round < MAXIMUM_ROUNDS; round += 1) {
    const world = stage.surroundings();
    const { actions } = decide({ ...world, index: new WorldIndex(world), now });
    const isMoved = actions.map((action) => stage.play(action)).some((done) => done);
    if (!isMoved) break;
  }
  return stage.future();
}

class Stage {
  readonly #from: Situation;
  readonly #now: number;
  readonly #nodes: Map<string, NodeEntry>;
  readonly #requests: Map<string, RequestEntry>;
  readonly #known: readonly string[];
  readonly #held: Map<string, { readonly pool: ServedPool }>;
  readonly #launching: Map<string, LaunchStatus>;
  /** By the node that stands for what was launched. */
  readonly #launches = new Map<string, Future["launches"][number]>();
  readonly #deletions = new Map<string, string>();
  #made = 0;

  constructor(from: Situation, now: number) {
    this.#from = from;
    this.#now = now;
    this.#nodes = new Map(Array.from(from.tree.nodes(), (entry) => [entry.id, entry]));
    this.#requests = new Map(Array.from(from.tree.requests(), (entry) => [entry.id, entry]));
    this.#known = [...this.#requests.keys()];
    this.#held = new Map(from.hand.requests);
    this.#launching = new Map(from.hand.launches);
  }

  surroundings(): Situation {
    const { tree, config, pools, providers, unserved, hand } = this.#from;
    const stage: Tree = {
      node: (id) => this.#nodes.get(id),
      nodes: () => this.#nodes.values(),
      request: (id) => this.#requests.get(id),
      requests: () => this.#requests.values(),
      image: (name) => tree.image(name),
      pools: () => tree.pools(),
    };
    const own: Hand = {
      isBusy: (key) => hand.isBusy(key),
      retryAt: (key) => hand.retryAt(key),
      requests: this.#held,
      launches: this.#launching,
      claims: new Map(),
      deletions: hand.deletions,
      limits: hand.limits,
      asking: hand.asking,
      setbacks: hand.setbacks,
      retired: hand.retired,
      withdrawing: hand.withdrawing,
      away: hand.away,
      foreign: hand.foreign,
      quotaBlocks: hand.quotaBlocks,
      holdWishes: hand.holdWishes,
      leasesSeen: hand.leasesSeen,
      currentSince: hand.currentSince,
      hosts: hand.hosts,
      keeping: hand.keeping,
    };
    return { tree: stage, config, pools, providers, unserved, hand: own };
  }

  future(): Future {
    const states = this.#known.map((id) => [id, this.#requests.get(id)?.record?.state ?? "gone"] as const);
    return { launches: [...this.#launches.values()], deletions: this.#deletions, requests: new Map(states) };
  }

  /** Takes an action for done. False when that changes nothing. */
  play(action: Action): boolean {
    switch (action.kind) {
      case "serve": {
        const labels = this.#requests.get(action.request)?.record?.nodeTypes ?? [];
        const nodes = action.nodes.map(
          (id, index) => id ?? this.#launch(labels[index] ?? "", action.pool, action.request, action.zone),
        );
        return this.#fulfil(action.request, nodes);
      }
      case "supplement":
        for (const [index, label] of action.labels.entries()) {
          const id = action.nodes[index] ?? null;
          if (id === null) this.#launch(label, action.pool, action.request, action.zone);
          else this.#changeNode(id, { allocatedTo: action.request });
        }
        return true;
      case "fulfil":
        this.#held.delete(action.request);
        return this.#fulfil(action.request, action.nodes);
      case "decline":
        return this.#decline(action.request, action.pools, action.failed);
      case "give-up": {
        const pool = this.#held.get(action.request)?.pool.id;
        this.#letGo(action.request);
        if (action.node !== null) this.#remove(action.node, "its launch has failed");
        this.#free(action.request);
        return this.#decline(action.request, pool === undefined ? [] : [pool], action.failed);
      }
      case "adopt":
        this.#held.set(action.request, { pool: action.pool });
        return true;
      case "drop":
        return this.#letGo(action.request);
      case "reset":
        return this.#change(action.request, { state: "requested" });
      case "settle-min-ready":
        this.#free(action.request);
        return this.#requests.delete(action.request);
      case "end-lease":
        for (const node of this.#nodesOf(action.request)) this.#remove(node.id, "its lease has ended");
        return this.#requests.delete(action.request);
      case "ask-min-ready":
        for (let count = 0; count < action.count; count += 1) this.#ask(action.label);
        return action.count > 0;
      case "launch":
      case "store":
        this.#launching.delete(action.node);
        return this.#changeNode(action.node, { state: "ready" });
      case "abandon":
      case "delete":
        return this.#remove(action.node, action.reason);
      case "return":
        return this.#remove(action.node, "was returned");
      case "free":
        return this.#changeNode(action.node, { allocatedTo: null });
      case "hold":
        return this.#changeNode(action.node, { state: "hold", stateTime: this.#now });
      case "check-host":
      case "register-slots":
      case "update-slot":
        // What a host will answer is not known.
        return false;
    }
  }

  #launch(label: string, pool: ServedPool, request: string, zone: string | null): string {
    const record = this.#requests.get(request)?.record;
    this.#made += 1;
    const id = `new-${String(this.#made).padStart(10, "0")}`;
    const made = newNode(this.#now, {
      state: "ready",
      provider: pool.provider.name,
      pool: pool.pool.name,
      type: [label],
      az: zone,
      allocatedTo: request,
      requestor: record?.requestor ?? null,
      tenantName: record?.tenantName ?? null,
      resources: pool.resourcesOf(label),
    });
    this.#nodes.set(id, { ...fresh(made, this.#now), id });
    const isOwn = record?.requestor === MIN_READY_REQUESTOR;
    this.#launches.set(id, { label, pool: nameOf(pool), request: isOwn ? null : request });
    return id;
  }

  #fulfil(request: string, nodes: readonly string[]): boolean {
    const record = this.#requests.get(request)?.record;
    const { lease, minReady } = ownDataOf(record ?? { requestorData: null });
    const { requestor = null, tenantName = null } = record ?? {};
    for (const node of nodes) {
      const allocatedTo = minReady ? null : request;
      const state = lease === null ? {} : ({ state: "in-use" } as const);
      this.#changeNode(node, { allocatedTo, requestor, tenantName, ...state });
      if (lease !== null) this.#lock(node);
    }
    if (minReady) return this.#requests.delete(request);
    return this.#change(request, { state: "fulfilled", nodes: [...nodes] });
  }

  /** Gives the lock of a request in hand back. */
  #letGo(request: string): boolean {
    const entry = this.#requests.get(request);
    if (entry !== undefined)
      this.#requests.set(request, { ...entry, lock: { exists: true, contenders: [] } });
    return this.#held.delete(request);
  }

  #decline(request: string, pools: readonly string[], failed: boolean): boolean {
    const before = this.#requests.get(request)?.record?.declinedBy ?? [];
    const declinedBy = [...new Set([...before, ...pools])];
    return this.#change(request, { declinedBy, state: failed ? "failed" : "requested" });
  }

  #ask(label: string): void {
    this.#made += 1;
    const id = `900-${9_000_000_000 + this.#made}`;
    const record = newRequest(this.#now, {
      nodeTypes: [label],
      reuse: false,
      requestor: MIN_READY_REQUESTOR,
      requestorData: encodeOwnData({ minReady: true }),
    });
    this.#requests.set(id, { ...fresh(record, this.#now), id });
  }

  #nodesOf(request: string): NodeEntry[] {
    return [...this.#nodes.values()].filter(({ record }) => record?.allocatedTo === request);
  }

  #free(request: string): void {
    for (const { id } of this.#nodesOf(request)) this.#changeNode(id, { allocatedTo: null });
  }

  #remove(id: string, reason: string): boolean {
    this.#launching.delete(id);
    if (!this.#nodes.delete(id)) return false;
    // What is launched only to be deleted is not worth a word.
    if (!this.#launches.delete(id)) this.#deletions.set(id, reason);
    return true;
  }

  #lock(id: string): void {
    const entry = this.#nodes.get(id);
    if (entry !== undefined) this.#nodes.set(id, { ...entry, lock: { exists: true, contenders: ["lease"] } });
  }

  #change(id: string, change: Partial<RequestRecord>): boolean {
    const entry = this.#requests.get(id);
    if (entry === undefined || entry.record === null) return false;
    this.#requests.set(id, { ...entry, record: { ...entry.record, ...change } });
    return true;
  }

  #changeNode(id: string, change: Partial<NodeRecord>): boolean {
    const entry = this.#nodes.get(id);
    if (entry === undefined || entry.record === null) return false;
    this.#nodes.set(id, { ...entry, record: { ...entry.record, ...change } });
    return true;
  }
}

function fresh<T>(record: T, now: number) {
  const lock = { exists: false, contenders: [] };
  return { record, problem: null, version: 0, createdAt: now, modifiedAt: now, lock };
}
