// The faults of the launcher soak: which comes when and for how long is decided by a seed.
import { fairWeather } from "../../lib/provider/fake/weather.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { Random } from "../simulation/random.ts";
import { editedConfig, SESSION_TIMEOUT_MS, WHOLE } from "./soak_config.ts";
import { LONGEST_LIST_LAG_MS, type SoakLauncher, type SoakWorld } from "./soak_world.ts";
import type { ProxyMode } from "./tcp_proxy.ts";

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
/** Shorter and longer than a session lives. */
const [SHORT_MS, LONG_MS] = [SESSION_TIMEOUT_MS / 3, SESSION_TIMEOUT_MS * 3];
const HANGS = ["listInstances", "createInstance", "awaitInstance", "deleteInstance", "limits"] as const;
const COUNTED = [
  "failCreates",
  "loseCreateReplies",
  "failBoots",
  "vanish",
  "failDeletes",
  "loseDeleteReplies",
  "lieDeletes",
  "failLists",
  "leavePorts",
  "refuseCalls",
] as const;

type Trouble = readonly [name: string, act: () => Promise<void>];

export class SoakFaults {
  readonly #world: SoakWorld;
  readonly #random: Random;
  readonly #working = new Set<Promise<void>>();
  #isZooKeeperStruck = false;

  constructor(world: SoakWorld, seed: number) {
    this.#world = world;
    this.#random = new Random(seed);
  }

  /** Strikes for so long; then mends everything. */
  async strike(milliseconds: number): Promise<void> {
    const end = performance.now() + milliseconds;
    while (performance.now() < end) {
      this.#begin(this.#choose());
      await pause(200 + this.#random.below(1500));
    }
    await Promise.all(this.#working);
    await this.mend();
  }

  /** Fair weather, and the configuration in which everything is served. */
  async mend(): Promise<void> {
    Object.assign(this.#world.cloud.weather, fairWeather(), { createMs: 100 });
    this.#world.cutCloud();
    await this.#world.configure(WHOLE);
    this.#world.note("faults are over");
  }

  /** One launcher is killed, stopped or cut off for longer than its session lives; resolves when it is well again. */
  async strikeOne(): Promise<void> {
    const [name, act] = this.#random.pick(
      this.#troublesOf(this.#random.pick(this.#world.launchers), LONG_MS),
    );
    this.#world.note(`${name}, in fair weather`);
    await act();
  }

  #begin([name, act]: Trouble): void {
    this.#world.note(name);
    this.#world.count(name.replace(/ [{0-9].*/, ""));
    const work = act().catch((error: unknown) => this.#world.wrong(`${name}: ${messageOf(error)}`));
    this.#working.add(work);
    work.then(() => this.#working.delete(work));
  }

  #choose(): Trouble {
    const random = this.#random;
    const well = this.#world.launchers.filter(({ trouble }) => trouble === null);
    const length = random.chance(0.5) ? random.below(SHORT_MS) : SESSION_TIMEOUT_MS + random.below(LONG_MS);
    const kinds: (() => Trouble | undefined)[] = [
      () => well[0] && random.pick(this.#troublesOf(random.pick(well), length)),
      () => well[0] && random.pick(this.#troublesOf(random.pick(well), length)),
      () => this.#weather(),
      () => this.#weather(),
      () => this.#reload(),
      () => (random.chance(0.4) ? this.#hostOut(length) : undefined),
      () => (random.chance(0.4) && !this.#isZooKeeperStruck ? this.#outage(length) : undefined),
    ];
    return random.pick(kinds)() ?? this.#weather();
  }

  /** The last launcher is never ended, so that it is seen whether its memory grows. */
  #troublesOf(launcher: SoakLauncher, length: number): Trouble[] {
    const world = this.#world;
    const { number, proxies } = launcher;
    const setMode = (mode: ProxyMode) => {
      for (const proxy of proxies) proxy.mode = mode;
    };
    const stop = async () => {
      world.signal(launcher, "SIGSTOP");
      await pause(length);
      world.signal(launcher, "SIGCONT");
    };
    const cut = async () => {
      launcher.trouble = "cut off";
      setMode(this.#random.pick(["cut", "silent", "deaf", "mute"] as const));
      await pause(length);
      // Connections that have lost something are of no use any more.
      setMode("cut");
      setMode("pass");
      launcher.trouble = null;
    };
    const expire = async () => {
      if (launcher.session !== null) await world.zooKeeper.expire(launcher.session);
    };
    const kill = async () => {
      world.signal(launcher, "SIGKILL");
      await launcher.program.ended();
      await pause(length / 2);
      world.restart(launcher);
    };
    const roll = async () => {
      await world.stop(launcher);
      await pause(length / 4);
      world.restart(launcher);
    };
    const troubles: Trouble[] = [
      [`SIGSTOP of launcher ${number} for ${length} ms`, stop],
      [`loss of ZooKeeper at launcher ${number} for ${length} ms`, cut],
      [`end of the session of launcher ${number}`, expire],
    ];
    if (number === world.launchers.length) return troubles;
    return [...troubles, [`kill -9 of launcher ${number}`, kill], [`SIGTERM of launcher ${number}`, roll]];
  }

  #outage(length: number): Trouble {
    const { what, find } = this.#world.zooKeeper.choose(this.#random);
    const isHard = this.#random.chance(0.5);
    const act = async () => {
      this.#isZooKeeperStruck = true;
      const servers = await find();
      if (isHard) {
        await Promise.all(servers.map((server) => server.stop({ hard: true })));
        await pause(length / 2);
        await Promise.all(servers.map((server) => server.restart()));
      } else {
        for (const server of servers) server.pause();
        await pause(length);
        for (const server of servers) server.resume();
      }
      this.#isZooKeeperStruck = false;
    };
    return [`${what} ${isHard ? "dies" : "hangs"} for ${length} ms`, act];
  }

  #hostOut(length: number): Trouble | undefined {
    const up = [...this.#world.hosts].filter(([, host]) => host.isUp);
    if (up[0] === undefined) return undefined;
    const [letter, host] = this.#random.pick(up);
    const act = async () => {
      await host.stop();
      await pause(length);
      await host.start();
    };
    return [`host ${letter} is out of service for ${length} ms`, act];
  }

  #reload(): Trouble {
    const config = this.#random.chance(0.3) ? WHOLE : editedConfig(this.#random);
    const delays = this.#world.launchers.map(() => this.#random.below(1500));
    const act = async () => {
      for (const [index, launcher] of this.#world.launchers.entries()) {
        await this.#world.configure(config, [launcher]);
        await pause(delays[index] ?? 0);
      }
    };
    return [`configuration ${JSON.stringify(config)}`, act];
  }

  #weather(): Trouble {
    const random = this.#random;
    const length = 500 + random.below(4000);
    const { weather } = this.#world.cloud;
    const some = 1 + random.below(6);
    const quota = random.below(8);
    const limits = random.chance(0.2) ? { instances: quota } : {};
    const counted = random.pick(COUNTED);
    const times = {
      latencyMs: random.below(400),
      createMs: random.below(2500),
      deleteMs: random.below(1500),
    };
    const kinds = [
      times,
      { [counted]: some, retryAfterMs: random.below(1000) },
      { [counted]: some, retryAfterMs: random.below(1000) },
      { callsPerSecond: 3 + random.below(10) },
      { listLagMs: random.below(LONGEST_LIST_LAG_MS) },
      { storm: { rate: random.next() / 2, random: new Random(random.below(1e9)).next } },
      { quota, limits },
      { hang: new Set([random.pick(HANGS)]) },
    ];
    const change = random.pick(kinds);
    const act = async () => {
      Object.assign(weather, change);
      await pause(length);
      Object.assign(weather, fairWeather(), { createMs: 100 });
      if (some > 3) this.#world.cutCloud();
    };
    return [`weather ${Object.keys(change).join()} ${JSON.stringify(change)} for ${length} ms`, act];
  }
}
