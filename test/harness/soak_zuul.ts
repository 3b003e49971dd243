// Lives of requests as Zuul leads them, through outages of ZooKeeper: asks, revises, withdraws, uses, gives back, or is gone.
import { randomUUID } from "node:crypto";
import { decodeNode, encodeNode, type NodeRecord, withNodeState } from "../../lib/model/node.ts";
import { nodeLockPath, nodePath, REQUESTS, requestPath } from "../../lib/model/paths.ts";
import { decodeRequest, encodeRequest, newRequest, type RequestRecord } from "../../lib/model/request.ts";
import { untilState } from "../../lib/zookeeper/contract/fixture.ts";
import { createLocks } from "../../lib/zookeeper/locks.ts";
import type { ZooKeeperSession } from "../../lib/zookeeper/session.ts";
import { type HeldLock, isZooKeeperError, type Session } from "../../lib/zookeeper/types.ts";
import type { Random } from "../simulation/random.ts";
import { missing, persist } from "./persist.ts";
import { HOST_LABEL, HOST_REQUESTOR, someLabels } from "./soak_config.ts";
import { LONG_SESSION_MS } from "./soak_fleet.ts";
import type { SoakWorld } from "./soak_world.ts";

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

interface Used {
  readonly id: string;
  readonly machine: string;
  readonly lock: HeldLock;
}

/**
 * What a client does that does not give its nodes back: it vanishes while it works, or ZooKeeper ends its session while it waits
 * for nodes, when it has one of them, or while it works.
 */
export const ENDINGS = ["vanishes", "ends waiting", "ends taking", "ends working"] as const;

interface OwnSession {
  readonly session: ZooKeeperSession;
  readonly ending: (typeof ENDINGS)[number];
}

/** One request's life, from the wish to the end. */
export class ZuulLife {
  readonly #world: SoakWorld;
  readonly #random: Random;
  readonly #session: Session;
  readonly #own: OwnSession | null;
  readonly #mark = randomUUID();
  #id = "";

  /** @param own a session that nobody else uses, and how it ends; null for the world's, which lives on */
  constructor(world: SoakWorld, random: Random, own: OwnSession | null) {
    this.#world = world;
    this.#random = random;
    this.#session = own?.session ?? world.session;
    this.#own = own;
  }

  /**
   * Lives it.
   *
   * @param patienceMs how long the request may wait
   */
  async live(patienceMs: number): Promise<void> {
    const random = this.#random;
    const labels = someLabels(random, [1, 1, 1, 2, 3]);
    await this.#ask(labels);
    if (this.#own?.ending === "ends waiting") {
      await pause(random.below(2000));
      await this.#loseSession([]);
    }
    if (await this.#isServed(labels, patienceMs)) await this.#use(labels);
  }

  /** Waits for the nodes; false when the request has ended without. */
  async #isServed(labels: readonly string[], patienceMs: number): Promise<boolean> {
    const random = this.#random;
    const end = performance.now() + patienceMs;
    const withdrawAt = random.chance(0.2) ? performance.now() + random.below(4000) : Infinity;
    let reviseAt = random.chance(0.3) ? performance.now() + random.below(2000) : Infinity;
    while (true) {
      const record = await this.#read();
      const now = performance.now();
      if (record === null) {
        this.#world.wrong(`request ${this.#id} of Zuul is gone`);
        return false;
      }
      if (now > withdrawAt || record.state === "failed") {
        this.#world.count(record.state === "failed" ? "zuul failed" : `zuul withdrew ${record.state}`);
        await this.#withdraw();
        return false;
      }
      if (record.state === "fulfilled") return true;
      if (now > reviseAt) reviseAt = (await this.#revise()) ? Infinity : now + 100;
      if (now > end) {
        const what = `of Zuul for ${labels} is ${record.state} for ${patienceMs} ms`;
        await this.#world.stuck(this.#id, what);
        await this.#withdraw();
        return false;
      }
      await pause(30);
    }
  }

  async #use(labels: readonly string[]): Promise<void> {
    const ending = this.#own?.ending;
    const nodes = (await this.#read())?.nodes ?? [];
    if (nodes.length !== labels.length) this.#world.wrong(`request ${this.#id} for ${labels} has ${nodes}`);
    const used: Used[] = [];
    for (const [index, node] of nodes.entries()) {
      const one = await this.#take(node, labels[index] ?? "");
      if (one !== null) used.push(one);
      if (ending !== "ends taking") continue;
      await this.#loseSession(used);
      return await this.#withdraw();
    }
    await this.#withdraw();
    this.#world.count("zuul served");
    await pause(50 + this.#random.below(1000));
    if (ending === "ends working") return await this.#loseSession(used);
    for (const { id, machine, lock } of used) {
      // In this order: an operator may come while ZooKeeper is asked.
      const isStill = (await this.#node(id)) !== null || this.#world.isTouched(id);
      if (!isStill) this.#world.wrong(`node ${id} is gone in Zuul's hands`);
      this.#world.cloud.inUse.delete(machine);
      if (ending === "vanishes") continue;
      await this.#write(id, "used");
      await lock.release();
    }
    if (ending === "vanishes") {
      this.#world.count("zuul vanished");
      await this.#session.close();
    }
  }

  /** ZooKeeper ends the session: what it has locked is in nobody's hands any more. */
  async #loseSession(used: readonly Used[]): Promise<void> {
    if (this.#own === null) return;
    for (const { machine } of used) this.#world.cloud.inUse.delete(machine);
    const { session, ending } = this.#own;
    const lost = untilState(session, "lost");
    await this.#world.zooKeeper.expire(session.credentials);
    await lost;
    this.#world.count(`zuul's session ${ending}`);
    await session.connected();
  }

  async #take(id: string, label: string): Promise<Used | null> {
    const world = this.#world;
    const options = { identifier: `zuul ${this.#id}`, timeout: LONG_SESSION_MS };
    const lock = await persist(() => createLocks(this.#session).acquire(nodeLockPath(id), options));
    if (lock === null) {
      if (!world.isTouched(id)) world.wrong(`node ${id} of ${this.#id} cannot be locked`);
      return null;
    }
    const node = await this.#node(id);
    const isFine = node?.state === "ready" && node.allocatedTo === this.#id && node.type.includes(label);
    if (!isFine) {
      const shown = node && { state: node.state, allocatedTo: node.allocatedTo, type: node.type };
      if (!world.isTouched(id))
        world.wrong(`node ${id} for ${label} of ${this.#id} is ${JSON.stringify(shown)}`);
      await lock.release();
      return null;
    }
    const machine = world.machine(id, node);
    const written = await this.#write(id, "in-use");
    if (written) world.cloud.use(machine);
    world.count(`used ${label}`);
    return { id, machine, lock };
  }

  async #ask(labels: readonly string[]): Promise<void> {
    const random = this.#random;
    const isOfHosts = labels.includes(HOST_LABEL);
    const record = newRequest(Date.now() / 1000, {
      nodeTypes: labels,
      requestor: HOST_REQUESTOR,
      eventId: this.#mark,
      reuse: isOfHosts || random.chance(0.8),
      relativePriority: random.below(5),
      tenantName: isOfHosts ? null : random.pick([null, null, "limited"]),
    });
    const prefix = `${REQUESTS}/${random.pick(["100", "200", "300"])}-`;
    const path = await persist(
      () => this.#session.create(prefix, encodeRequest(record), "persistent-sequential"),
      async () => {
        for (const id of await this.#session.children(REQUESTS)) {
          const { data } = await this.#session.get(requestPath(id));
          if (decodeRequest(data).eventId === this.#mark) return requestPath(id);
        }
        return undefined;
      },
    );
    this.#id = path.slice(REQUESTS.length + 1);
  }

  async #read(): Promise<RequestRecord | null> {
    const znode = await persist(async () => await this.#session.get(requestPath(this.#id)).catch(missing));
    return znode && decodeRequest(znode.data);
  }

  async #node(id: string): Promise<NodeRecord | null> {
    const znode = await persist(async () => await this.#session.get(nodePath(id)).catch(missing));
    return znode && znode.data.length > 0 ? decodeNode(znode.data) : null;
  }

  /** False when somebody else has written meanwhile. */
  async #revise(): Promise<boolean> {
    const path = requestPath(this.#id);
    return await persist(async () => {
      const { data, stat } = await this.#session.get(path);
      const revised = { ...decodeRequest(data), relativePriority: this.#random.below(5) };
      const conflict = (error: unknown) => {
        if (isZooKeeperError(error, "BAD_VERSION")) return null;
        throw error;
      };
      return (await this.#session.set(path, encodeRequest(revised), stat.version).catch(conflict)) !== null;
    });
  }

  async #withdraw(): Promise<void> {
    await persist(async () => await this.#session.delete(requestPath(this.#id), -1).catch(missing));
  }

  /** Whether the node is in this state now; an operator may have taken it away. */
  async #write(id: string, state: "in-use" | "used"): Promise<boolean> {
    return await persist(async () => {
      const znode = await this.#session.get(nodePath(id)).catch(missing);
      if (znode === null) return false;
      const record = decodeNode(znode.data);
      if (record.state === state) return true;
      if (record.state === "deleting") return false;
      const next = encodeNode(withNodeState(record, state, Date.now() / 1000));
      try {
        await this.#session.set(nodePath(id), next, znode.stat.version);
        return true;
      } catch (error) {
        if (isZooKeeperError(error, "BAD_VERSION")) return await this.#write(id, state);
        if (isZooKeeperError(error, "NO_NODE")) return false;
        throw error;
      }
    });
  }
}
