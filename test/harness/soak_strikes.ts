// Faults that strike daemons and ZooKeeper in a soak: which comes when and for how long is decided by a seed.
import { messageOf } from "../../lib/std/errors.ts";
import { Random } from "../simulation/random.ts";
import { SESSION_TIMEOUT_MS, type SoakDaemon, type SoakFleet } from "./soak_fleet.ts";

export const pause = (milliseconds: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
/** Shorter and longer than a session lives. */
const [SHORT_MS, LONG_MS] = [SESSION_TIMEOUT_MS / 3, SESSION_TIMEOUT_MS * 3];

export type Trouble = readonly [name: string, act: () => Promise<void>];

export abstract class SoakStrikes<World extends SoakFleet<unknown>> {
  protected readonly world: World;
  protected readonly random: Random;
  readonly #working = new Set<Promise<void>>();
  #isZooKeeperStruck = false;

  constructor(world: World, seed: number) {
    this.world = world;
    this.random = new Random(seed);
  }

  /** Trouble at the cloud, or with what else daemons work on. */
  protected abstract weather(): Trouble;
  /** Another configuration. */
  protected abstract reload(): Trouble;
  /** Fair weather, and the configuration in which everything is served. */
  abstract mend(): Promise<void>;

  /**
   * Kinds of trouble that only this soak has; undefined where there is none to be had.
   *
   * @param _length for how long they last
   */
  protected ownKinds(_length: number): readonly (() => Trouble | undefined)[] {
    return [];
  }

  /** Strikes for so long; then mends everything. */
  async strike(milliseconds: number): Promise<void> {
    const end = performance.now() + milliseconds;
    while (performance.now() < end) {
      this.#begin(this.#choose());
      await pause(200 + this.random.below(1500));
    }
    await Promise.all(this.#working);
    await this.mend();
    this.world.note("faults are over");
  }

  /**
   * One daemon is killed, stopped or cut off for longer than its session lives, or loses its session at once; resolves when
   * it is well again.
   */
  async strikeOne(): Promise<void> {
    const [name, act] = this.random.pick(this.#troublesOf(this.random.pick(this.world.daemons), LONG_MS));
    this.world.note(`${name}, in fair weather`);
    await act();
  }

  #begin([name, act]: Trouble): void {
    this.world.note(name);
    this.world.count(name.replace(/ [{0-9].*/, ""));
    const work = act().catch((error: unknown) => this.world.wrong(`${name}: ${messageOf(error)}`));
    this.#working.add(work);
    work.then(() => this.#working.delete(work));
  }

  #choose(): Trouble {
    const { random } = this;
    const well = this.world.daemons.filter(({ trouble }) => trouble === null);
    const length = random.chance(0.5) ? random.below(SHORT_MS) : SESSION_TIMEOUT_MS + random.below(LONG_MS);
    const kinds: (() => Trouble | undefined)[] = [
      () => well[0] && random.pick(this.#troublesOf(random.pick(well), length)),
      () => well[0] && random.pick(this.#troublesOf(random.pick(well), length)),
      () => this.weather(),
      () => this.weather(),
      () => this.reload(),
      ...this.ownKinds(length),
      () => (random.chance(0.4) && !this.#isZooKeeperStruck ? this.#outage(length) : undefined),
    ];
    return random.pick(kinds)() ?? this.weather();
  }

  /** The last daemon is never ended, so that it is seen whether its memory grows. */
  #troublesOf(daemon: SoakDaemon, length: number): Trouble[] {
    const { world } = this;
    const { number, ways } = daemon;
    const name = `${world.kind} ${number}`;
    const stop = async () => {
      world.signal(daemon, "SIGSTOP");
      await pause(length);
      world.signal(daemon, "SIGCONT");
    };
    const cut = async () => {
      daemon.trouble = "cut off";
      ways.mode = this.random.pick(["cut", "silent", "deaf", "mute"] as const);
      await pause(length);
      // Connections that have lost something are of no use any more.
      ways.mode = "cut";
      ways.mode = "pass";
      daemon.trouble = null;
    };
    const expire = async () => {
      if (ways.session !== null) await world.zooKeeper.expire(ways.session);
    };
    const kill = async () => {
      world.signal(daemon, "SIGKILL");
      await daemon.program.ended();
      await pause(length / 2);
      world.restart(daemon);
    };
    const roll = async () => {
      await world.stop(daemon);
      await pause(length / 4);
      world.restart(daemon);
    };
    const troubles: Trouble[] = [
      [`SIGSTOP of ${name} for ${length} ms`, stop],
      [`loss of ZooKeeper at ${name} for ${length} ms`, cut],
      [`end of the session of ${name}`, expire],
    ];
    if (number === world.daemons.length) return troubles;
    return [...troubles, [`kill -9 of ${name}`, kill], [`SIGTERM of ${name}`, roll]];
  }

  #outage(length: number): Trouble {
    const { what, find } = this.world.zooKeeper.choose(this.random);
    const isHard = this.random.chance(0.5);
    const act = async () => {
      this.#isZooKeeperStruck = true;
      const servers = await find();
      if (isHard) {
        await Promise.all(servers.map((server) => server.stop({ hard: true })));
        await pause(length / 2);
        await Promise.all(servers.map((server) => server.restart()));
      } else {
        await Promise.all(servers.map((server) => server.pause()));
        await pause(length);
        for (const server of servers) server.resume();
      }
      this.#isZooKeeperStruck = false;
    };
    return [`${what} ${isHard ? "dies" : "hangs"} for ${length} ms`, act];
  }

  /** One daemon after the other gets another configuration. */
  protected async reloadEach(config: World["config"], delays: readonly number[]): Promise<void> {
    for (const [index, daemon] of this.world.daemons.entries()) {
      await this.world.configure(config, [daemon]);
      await pause(delays[index] ?? 0);
    }
  }
}
