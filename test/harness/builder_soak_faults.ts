// The faults of the builder soak: besides those of daemons and ZooKeeper, the cloud's weather, the moods of the build
// command, and changes of the configuration.
import { fairWeather } from "../../lib/provider/fake/weather.ts";
import { Random } from "../simulation/random.ts";
import { MOODS, setMood } from "./builder_soak_command.ts";
import { BUSY, editedConfig, IMAGES, WHOLE } from "./builder_soak_config.ts";
import type { BuilderSoakWorld } from "./builder_soak_world.ts";
import { SESSION_TIMEOUT_MS } from "./soak_fleet.ts";
import { pause, SoakStrikes, type Trouble } from "./soak_strikes.ts";

const HANGS = ["listImages", "createImage", "deleteImage", "limits"] as const;

/** While faults strike: so that they find builds and uploads under way. */
const STORM = { latencyMs: 250 };

export class BuilderSoakFaults extends SoakStrikes<BuilderSoakWorld> {
  /** Has everything take its time, and builds due again and again. */
  async gather(): Promise<void> {
    Object.assign(this.world.cloud.weather, fairWeather(), STORM);
    for (const image of IMAGES) await setMood(this.world.folder, image, "steady");
    await this.world.configure(BUSY);
  }

  async mend(): Promise<void> {
    Object.assign(this.world.cloud.weather, fairWeather());
    this.world.cutCloud();
    for (const image of IMAGES) await setMood(this.world.folder, image, "fair");
    await this.world.configure(WHOLE);
  }

  protected reload(): Trouble {
    const config = this.random.chance(0.3) ? BUSY : editedConfig(this.random);
    const delays = this.world.daemons.map(() => this.random.below(1500));
    return [`configuration ${JSON.stringify(config)}`, () => this.reloadEach(config, delays)];
  }

  protected weather(): Trouble {
    return this.random.chance(0.5) ? this.#mood() : this.#cloudWeather();
  }

  #mood(): Trouble {
    const image = this.random.pick(IMAGES);
    const mood = this.random.pick(MOODS);
    const length = 1000 + this.random.below(5000);
    const act = async () => {
      await setMood(this.world.folder, image, mood);
      await pause(length);
      await setMood(this.world.folder, image, "steady");
    };
    return [`mood ${mood} of ${image}, for ${length} ms`, act];
  }

  #cloudWeather(): Trouble {
    const { random } = this;
    const length = 500 + random.below(4000);
    const { weather } = this.world.cloud;
    const hung = random.pick(HANGS);
    const kinds = [
      // What takes longer could be done after a session's end, and by then its record is gone.
      { latencyMs: random.below(SESSION_TIMEOUT_MS / 2) },
      { refuseCalls: 1 + random.below(10), retryAfterMs: random.below(1000) },
      { callsPerSecond: 1 + random.below(5) },
      { storm: { rate: random.next(), random: new Random(random.below(1e9)).next } },
      { hang: new Set([hung]) },
    ];
    const change = random.pick(kinds);
    const act = async () => {
      Object.assign(weather, change);
      await pause(length);
      Object.assign(weather, fairWeather(), STORM);
      // What hangs would do so for ever.
      this.world.cutCloud();
    };
    const values = "hang" in change ? hung : JSON.stringify(change);
    return [`weather ${Object.keys(change).join()} ${values} for ${length} ms`, act];
  }
}
