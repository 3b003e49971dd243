// The faults of the launcher soak: besides those of daemons and ZooKeeper, the cloud's weather, hosts that are out of
// service, and changes of the configuration.
import { fairWeather } from "../../lib/provider/fake/weather.ts";
import { Random } from "../simulation/random.ts";
import { editedConfig, WHOLE } from "./soak_config.ts";
import { pause, SoakStrikes, type Trouble } from "./soak_strikes.ts";
import { LONGEST_LIST_LAG_MS, type SoakWorld } from "./soak_world.ts";

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

export class SoakFaults extends SoakStrikes<SoakWorld> {
  async mend(): Promise<void> {
    Object.assign(this.world.cloud.weather, fairWeather(), { createMs: 100 });
    this.world.cutCloud();
    await this.world.configure(WHOLE);
  }

  protected override ownKinds(length: number): readonly (() => Trouble | undefined)[] {
    return [() => (this.random.chance(0.4) ? this.#hostOut(length) : undefined)];
  }

  #hostOut(length: number): Trouble | undefined {
    const up = [...this.world.hosts].filter(([, host]) => host.isUp);
    if (up[0] === undefined) return undefined;
    const [letter, host] = this.random.pick(up);
    const act = async () => {
      await host.stop();
      await pause(length);
      await host.start();
    };
    return [`host ${letter} is out of service for ${length} ms`, act];
  }

  protected reload(): Trouble {
    const config = this.random.chance(0.3) ? WHOLE : editedConfig(this.random);
    const delays = this.world.daemons.map(() => this.random.below(1500));
    return [`configuration ${JSON.stringify(config)}`, () => this.reloadEach(config, delays)];
  }

  protected weather(): Trouble {
    const { random } = this;
    const length = 500 + random.below(4000);
    const { weather } = this.world.cloud;
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
      if (some > 3) this.world.cutCloud();
    };
    return [`weather ${Object.keys(change).join()} ${JSON.stringify(change)} for ${length} ms`, act];
  }
}
