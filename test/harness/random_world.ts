// A launcher's world in which anything may change at any time, driven by a seed: for tests that compare decisions.
import { newPool } from "../../lib/model/component.ts";
import type { HeldLock } from "../../lib/zookeeper/types.ts";
import type { NodeEntry, PoolEntry, RequestEntry } from "../../lib/zookeeper/view.ts";
import { keysOf } from "../../services/launcher/action_keys.ts";
import { type Action, type Decision, keys, type Tree, type World } from "../../services/launcher/actions.ts";
import { decide, reasonOf } from "../../services/launcher/decide.ts";
import type { ServedPool } from "../../services/launcher/pool/served.ts";
import { ownDataOf } from "../../services/launcher/request/own_data.ts";
import { HandState, type Launch } from "../../services/launcher/state.ts";
import { WorldIndex } from "../../services/launcher/world_index.ts";
import { Random } from "../simulation/random.ts";
import { LABELS, PROVIDERS, randomNode, randomRequest } from "./random_entries.ts";
import { RandomHosts } from "./random_hosts.ts";
import { NOW, otherPool, pool, tell, world } from "./world.ts";

const LOCK = { signal: new AbortController().signal } as HeldLock;

/** A decision as data that can be compared. */
export interface Told {
  readonly actions: string[];
  readonly reasons: Record<string, string>;
  readonly labelReasons: Record<string, string>;
  readonly paused: string[];
  readonly unable: string[];
}

export class RandomWorld {
  readonly random: Random;
  readonly hand: HandState;
  readonly pools: readonly ServedPool[];
  readonly #launching: readonly ServedPool[];
  readonly #hosts: RandomHosts;
  readonly index: WorldIndex;
  now = NOW;
  readonly #nodes = new Map<string, NodeEntry>();
  readonly #requests = new Map<string, RequestEntry>();
  readonly #others: PoolEntry[] = [];
  readonly #tree: Tree;
  readonly #config: World["config"];
  readonly #working: Action[] = [];
  #last = 0;
  #registrations = 900;

  constructor(seed: number) {
    const random = new Random(seed);
    this.random = random;
    this.#launching = PROVIDERS.map((provider) =>
      pool(`${provider}/main`, LABELS.slice(0, 1 + random.below(3)), {
        maxServers: random.pick([2, 5, Infinity]),
        priority: random.pick([100, 100, 50]),
        settings: { "max-resources": random.chance(0.3) ? { instances: 4 } : {} },
        provider: { maxConcurrency: random.pick([Infinity, 2]) },
      }),
    );
    this.#hosts = new RandomHosts(random);
    this.pools = [...this.#launching, this.#hosts.pool];
    const base = world({
      pools: this.pools,
      labels: {
        small: { minReady: random.below(3), maxReadyAge: random.pick([0, 90]) },
        large: { minReady: 1 },
        box: { minReady: 1 },
      },
      imageAt: random.chance(0.8) ? PROVIDERS : ["alpha"],
      tenants: { limited: { instances: 2, cores: 6 } },
      maxHoldAge: 200,
    });
    const others = this.#others;
    const own = [...base.tree.pools()];
    this.#tree = {
      ...base.tree,
      node: (id) => this.#nodes.get(id),
      nodes: () => this.#nodes.values(),
      request: (id) => this.#requests.get(id),
      requests: () => this.#requests.values(),
      pools: () => [...own, ...others],
    };
    this.#config = base.config;
    this.hand = new HandState(
      () => this.now,
      () => 0.5,
    );
    this.hand.currentSince = 0;
    this.index = new WorldIndex(this.#surroundings());
    this.hand.changed = (key) => this.index.touch(key);
  }

  #surroundings() {
    const providers = new Set(this.pools.map(({ provider }) => provider.name));
    return {
      tree: this.#tree,
      config: this.#config,
      pools: this.pools,
      providers,
      unserved: [],
      hand: this.hand,
    };
  }

  /** Decides with the indexes that were kept up change by change; the world as decided about comes with it. */
  decideByChanges(): { seen: World; decision: Decision } {
    const seen = { ...this.#surroundings(), index: this.index, now: this.now };
    return { seen, decision: decide(seen) };
  }

  /** Decides about everything anew. */
  decideInFull(): { seen: World; decision: Decision } {
    const seen = { ...this.#surroundings(), index: new WorldIndex(this.#surroundings()), now: this.now };
    return { seen, decision: decide(seen) };
  }

  tell({ seen, decision }: { seen: World; decision: Decision }): Told {
    const reasons: Record<string, string> = {};
    for (const id of [...this.#requests.keys()].sort()) {
      const reason = reasonOf(seen, decision, id);
      if (reason !== undefined && !this.hand.isBusy(keys.request(id))) reasons[id] = reason;
    }
    return {
      actions: decision.actions.map(tell).sort(),
      reasons,
      labelReasons: Object.fromEntries(decision.labelReasons),
      paused: [...decision.paused].sort(),
      unable: Array.from(decision.unable, ([id, labels]) => `${id} ${[...labels].sort().join()}`).sort(),
    };
  }

  /** What is decided is begun: nothing else is decided about it until it has ended. */
  begin(decision: Decision): void {
    for (const action of decision.actions) {
      const touched = keysOf(action);
      if (touched.some((key) => this.hand.isBusy(key))) continue;
      this.hand.begin(touched);
      this.#working.push(action);
    }
  }

  /** Something happens. */
  step(): void {
    const { random } = this;
    for (let count = 1 + random.below(4); count > 0; count -= 1) {
      const events = [
        () => this.#changeNode(),
        () => this.#changeNode(),
        () => this.#changeRequest(),
        () => this.#changeRequest(),
        () => this.#changeHand(),
        () => this.#changeHosts(),
        () => this.#endWork(),
        () => this.#endWork(),
        () => this.#changeOthers(),
        () => {
          this.now += random.pick([1, 10, 61, 301]);
        },
      ];
      random.pick(events)();
    }
    this.#notePools();
  }

  /** Before a decision, as the engine does it. */
  #notePools(): void {
    const own = new Set(this.pools.map(({ id }) => id));
    if (this.hand.away.note(this.#tree.pools(), own, this.now)) this.index.touchPools();
  }

  #changeNode(): void {
    const { random } = this;
    const known = [...this.#nodes.keys()];
    const id = known.length > 0 && random.chance(0.6) ? random.pick(known) : this.#newId();
    this.index.touch(keys.node(id));
    if (random.chance(0.2)) {
      this.#nodes.delete(id);
      return;
    }
    this.#nodes.set(id, randomNode(id, this.#given()));
  }

  #given() {
    const [nodes, requests] = [[...this.#nodes.keys()], [...this.#requests.keys()]];
    const own = this.pools[0]?.id ?? "";
    return { random: this.random, now: this.now, hosts: this.#hosts, own, nodes, requests };
  }

  #changeHosts(): void {
    const { random, hand } = this;
    if (random.chance(0.7)) this.#hosts.check(hand, this.now);
    else {
      this.#hosts.keep(hand);
      this.index.hosts.touchAll();
    }
  }

  #changeRequest(): void {
    const { random } = this;
    const known = [...this.#requests.keys()];
    const isNew = known.length === 0 || random.chance(0.6);
    const id = isNew ? `${random.pick(["100", "200", "900"])}-${this.#newId()}` : random.pick(known);
    this.index.touch(keys.request(id));
    if (!isNew && random.chance(0.3)) {
      this.#requests.delete(id);
      this.hand.seeLease(id, null, this.now);
      return;
    }
    const like = isNew && random.chance(0.2) ? this.#requests.get(this.#someRequest()) : undefined;
    const entry = like ? { ...like, id } : randomRequest(id, this.#given());
    this.#requests.set(id, entry);
    this.hand.seeLease(id, entry.record && ownDataOf(entry.record).lease, this.now);
  }

  #changeHand(): void {
    const { random, hand } = this;
    const [someNode, someRequest] = [random.pick([...this.#nodes.keys(), "none"]), this.#someRequest()];
    const served = random.pick(this.#launching);
    const events = [
      () => hand.requests.set(someRequest, { pool: served, lock: LOCK }),
      () => hand.requests.delete(someRequest),
      () => hand.launches.set(someNode, this.#launch(someNode, someRequest, served)),
      () => hand.launches.delete(someNode),
      () => hand.deletions.add(someNode),
      () => hand.deletions.delete(someNode),
      () => hand.holdWishes.set(someNode, { reason: "", expireSeconds: 0 }),
      () => hand.holdWishes.delete(someNode),
      () => hand.limits.set(served.provider.name, { instances: 2 + random.below(6) }),
      () => hand.foreign.set(served.provider.name, { instances: random.below(3) }),
      () => hand.quotaBlocks.set(served.provider.name, this.now + 5),
      () =>
        hand.claims.set(someRequest, {
          pool: served,
          labels: ["small"],
          tenant: random.pick([null, "limited"]),
          reused: new Map([[someNode, { instances: 1 }]]),
          before: new Set(),
          links: [],
        }),
      () => hand.claims.clear(),
    ];
    random.pick(events)();
  }

  #launch(id: string, requestId: string, served: ServedPool): Launch {
    const { random } = this;
    return {
      node: id,
      request: random.pick([null, requestId]),
      pool: served,
      label: random.pick(LABELS),
      leased: random.chance(0.5),
      reason: "",
      status: random.pick(["launching", "ready", "failed", "aborted"] as const),
    } as Launch;
  }

  #endWork(): void {
    if (this.#working.length === 0) return;
    const [action] = this.#working.splice(this.random.below(this.#working.length), 1);
    if (action === undefined) return;
    if (this.random.chance(0.6)) this.hand.succeed(keysOf(action));
    else this.hand.fail(keysOf(action));
  }

  #changeOthers(): void {
    const { random } = this;
    this.index.touchPools();
    if (this.#others.length > 0 && random.chance(0.5)) this.#others.pop();
    else {
      const name = random.pick(["x/main", "alpha/main", "beta/main", "nowhere/main"]);
      const hostname = random.pick(["one", "two"]);
      const extra = random.chance(0.3) ? { unable: [random.pick(LABELS)] } : {};
      const record = { paused: random.chance(0.5), priority: random.pick([10, 100]), hostname, extra };
      const entry = otherPool(name, random.chance(0.7) ? ["small"] : LABELS, record);
      this.#registrations += 1;
      const znode = `host${String(this.#registrations).padStart(10, "0")}`;
      this.#others.push({ ...entry, znode, record: newPool({ ...entry.record }) });
    }
  }

  #someRequest(): string {
    return this.random.pick([...this.#requests.keys(), "200-gone"]);
  }

  #newId(): string {
    this.#last += 1;
    return String(this.#last).padStart(10, "0");
  }
}
