// The clients and operators of the launcher soak, each in a loop until they are told to rest.
import type { Clients } from "../../lib/rpc/client.ts";
import { ClientError } from "../../lib/rpc/client_error.ts";
import { messageOf } from "../../lib/std/errors.ts";
import type { NodeEntry } from "../../lib/zookeeper/view.ts";
import { Random } from "../simulation/random.ts";
import { LeaseHolder } from "./lease_holder.ts";
import { HOST_LABEL, HOST_REQUESTOR, someLabels } from "./soak_config.ts";
import { toleratingStates } from "./soak_tolerance.ts";
import type { SoakWorld } from "./soak_world.ts";
import { ENDINGS, ZuulLife } from "./soak_zuul.ts";

/** A request may wait for so long, whatever the weather: faults end before. */
const PATIENCE_MS = 150_000;
/** Longer than any launcher is stopped or cut off. */
const LEASE_SECONDS = 40;
/** Of clients that vanish. */
const SHORT_LEASE_SECONDS = 10;
const CLIENTS = 4;

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

export class SoakClients {
  readonly #world: SoakWorld;
  readonly #loops: Promise<void>[] = [];
  /** Ids of nodes that were held and are let go. */
  readonly #letGo = new Set<string>();
  #isResting = false;

  /** Begins all loops. */
  constructor(world: SoakWorld, seed: number) {
    this.#world = world;
    for (let client = 0; client < CLIENTS; client += 1) {
      const random = new Random(seed * 100 + client);
      this.#loop("zuul", random, () => this.#zuul(random));
      this.#loop("lease", random, () => this.#lease(random, client));
    }
    const random = new Random(seed * 100 + 50);
    this.#loop("operator", random, () => this.#operate(random));
  }

  /**
   * Lets everybody finish what is begun. Nodes that are held take room, and leases that run out later may leave more of
   * them: until `over` is settled they are let go.
   */
  async rest(over: Promise<unknown>): Promise<void> {
    this.#isResting = true;
    let isOver = false;
    const ending = over.then(() => {
      isOver = true;
    });
    const letGo = async () => {
      while (!isOver) {
        await this.#releaseHolds();
        await Promise.race([ending, pause(500)]);
      }
    };
    void letGo().catch((error: unknown) => this.#world.wrong(`letting go: ${messageOf(error)}`));
    await Promise.all(this.#loops);
  }

  #loop(who: string, random: Random, round: () => Promise<void>): void {
    const run = async () => {
      while (!this.#isResting) {
        await round().catch((error: unknown) => this.#world.wrong(`${who}: ${messageOf(error)}`));
        await pause(random.below(1000));
      }
    };
    this.#loops.push(run());
  }

  async #zuul(random: Random): Promise<void> {
    if (random.chance(0.8)) return await new ZuulLife(this.#world, random, null).live(PATIENCE_MS);
    const session = this.#world.newSession();
    await session.connected();
    const own = { session, ending: random.pick(ENDINGS) };
    await new ZuulLife(this.#world, random, own).live(PATIENCE_MS);
    await session.close();
  }

  async #lease(random: Random, first: number): Promise<void> {
    const world = this.#world;
    const clients = world.launchers.map((launcher) => launcher.clients);
    const holder = new LeaseHolder(clients, world.cloud, first + random.below(3));
    const labels = someLabels(random, [1, 1, 2, 3]);
    const isOfHosts = labels.includes(HOST_LABEL);
    const vanishes = random.chance(0.15);
    const wish = holder.ask(labels, vanishes ? SHORT_LEASE_SECONDS : LEASE_SECONDS, {
      reuse: isOfHosts || random.chance(0.7),
      priority: random.pick([100, 200, 300]),
      relativePriority: BigInt(random.below(5)),
      tenant: isOfHosts ? "" : random.pick(["", "", "limited"]),
      ...(isOfHosts ? { requestor: HOST_REQUESTOR } : {}),
    });
    // A configuration may lack one of the labels.
    if ((await wish.catch(toleratingLabels)) === null) return world.count("lease refused");
    if (random.chance(0.15)) {
      await pause(random.below(3000));
      world.count("lease withdrawn");
      return await (vanishes ? holder.vanish() : holder.release());
    }
    if (random.chance(0.2)) await holder.revise(BigInt(random.below(5))).catch(toleratingStates);
    const failure = await holder.begin(PATIENCE_MS).then(
      () => null,
      (error: unknown) => messageOf(error),
    );
    if (failure === null) await this.#work(holder, labels, random, vanishes);
    else if (/ failed: /.test(failure)) {
      world.count("lease failed");
      world.note(failure);
    } else if (!vanishes && !holder.given.some((name) => world.isTouched(name.slice("nodes/".length)))) {
      await world.stuck(holder.name.replace("nodeRequests/", ""), failure);
    }
    if (vanishes) world.count("lease vanished");
    await (vanishes ? holder.vanish() : holder.release());
  }

  async #work(
    holder: LeaseHolder,
    labels: readonly string[],
    random: Random,
    vanishes: boolean,
  ): Promise<void> {
    const world = this.#world;
    world.count("lease served");
    for (const label of labels) world.count(`used ${label}`);
    // So short a lease may run out while its launcher is stopped.
    if (vanishes) for (const id of holder.instances) world.cloud.doom(id);
    await pause(50 + random.below(1500));
    if (holder.ended !== null && !vanishes) world.wrong(`lease ${holder.name} has ended: ${holder.ended}`);
  }

  /** Holds or deletes a node that is idle or in use, or lets one go that is held. */
  async #operate(random: Random): Promise<void> {
    const world = this.#world;
    await pause(random.below(2500));
    const fits = ({ record }: NodeEntry) => ["ready", "in-use", "hold"].includes(record?.state ?? "");
    const nodes = [...world.view.nodes()].filter(fits);
    if (nodes.length === 0) return;
    const { id, record } = random.pick(nodes);
    if (record === null) return;
    const machine = world.machine(id, record);
    const { nodes: api } = random.pick(world.launchers).clients;
    const name = `nodes/${id}`;
    world.touched.add(id);
    if (record.state === "hold") {
      await this.#release(api, id, machine);
    } else if (random.chance(0.5)) {
      const { node } = await api.holdNode({ name, reason: "soak" }).catch(toleratingStates);
      if (node === undefined) return;
      // Somebody else may have let it go already.
      if (!this.#letGo.has(id)) world.cloud.keep(machine);
      world.count(`held ${record.state}`);
    } else {
      world.cloud.doom(machine);
      // It may be shared out by now.
      world.cloud.doomAllOn(id);
      world.note(`operator deletes node ${id} (${machine}, ${record.state})`);
      await api.deleteNode({ name }).catch(toleratingStates);
      world.count(`deleted ${record.state}`);
    }
  }

  async #releaseHolds(): Promise<void> {
    const world = this.#world;
    const { nodes: api } = world.launchers[0]?.clients ?? {};
    for (const { id, record } of world.view.nodes()) {
      if (record?.state !== "hold") continue;
      await this.#release(api, id, world.machine(id, record));
    }
  }

  async #release(api: Clients["nodes"] | undefined, id: string, machine: string): Promise<void> {
    this.#letGo.add(id);
    this.#world.cloud.kept.delete(machine);
    await api?.releaseNode({ name: `nodes/${id}` }).catch(toleratingStates);
  }
}

function toleratingLabels(error: unknown): null {
  if (error instanceof ClientError && error.code === "INVALID_ARGUMENT") return null;
  throw error;
}
