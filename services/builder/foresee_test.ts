import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DiskImageConfig, ProviderConfig } from "../../lib/config/types.ts";
import type { BuildEntry, ImageEntry } from "../../lib/zookeeper/view.ts";
import {
  buildEntry,
  config,
  describeAction,
  diskimage,
  facts,
  image,
  local,
  NOW,
  provider,
  uploadEntry,
} from "../../test/harness/builder_state.ts";
import { Random } from "../../test/simulation/random.ts";
import { decide } from "./decide.ts";
import { foresee, planChange } from "./foresee.ts";
import type { Action, BuilderConfig, Facts, LocalBuild } from "./plan.ts";

const IMAGES = ["debian", "fedora", "ubuntu"];
const CLOUDS = ["cloud", "other"];

/**
 * A builder whose actions always succeed: builds one after the other, everything else at once. With so many upload
 * workers no upload of a build has to wait until a newer build takes its place, which would be a matter of time.
 */
class Life {
  readonly done: string[] = [];
  #images = new Map<string, ImageEntry>();
  #files = new Map<string, LocalBuild>();
  #count = 0;
  #known = new Set<string>();

  get images(): ImageEntry[] {
    return [...this.#images.values()];
  }

  facts(now: number, given: BuilderConfig) {
    const served = new Set(given.providers.map(({ name }) => name));
    return facts({ now, here: [...this.#files.values()], served, buildWorkers: 1, uploadWorkers: 9 });
  }

  /** Lives with a configuration until nothing is left to do. */
  live(given: BuilderConfig, now: number): void {
    this.done.length = 0;
    this.#known = new Set(this.images.flatMap(({ builds }) => builds.map(({ build }) => build)));
    for (let step = 0; ; step += 1) {
      assert.ok(step < 1000, `it does not come to rest: ${this.done.slice(-5).join("; ")}`);
      const { actions } = decide(this.images, given, this.facts(now, given));
      if (actions.length === 0) return;
      for (const action of actions) {
        this.done.push(this.name(action));
        this.#act(action, given, now);
      }
    }
  }

  /** The action with the id of a build that was not there before as "new". */
  name(action: Action): string {
    const isNew = "build" in action && !this.#known.has(action.build);
    return describeAction(isNew ? { ...action, build: "new" } : action);
  }

  #act(action: Action, given: BuilderConfig, now: number): void {
    const entry = this.#images.get(action.image) ?? image(action.image);
    const set = (builds: readonly BuildEntry[]) => this.#images.set(action.image, { ...entry, builds });
    const age = NOW - now;
    this.#count += 1;
    if (action.kind === "build") {
      const id = `b${this.#count}`;
      const formats = given.diskimages.get(action.image)?.formats ?? [];
      set([...entry.builds, buildEntry(action.image, { id, age, formats: formats.join(",") })]);
      this.#files.set(`${action.image}-${id}`, local(action.image, id, { formats: new Set(formats) }));
      return;
    }
    const file = `${action.image}-${action.build}`;
    const change = (with_: (build: BuildEntry) => BuildEntry) =>
      set(entry.builds.map((build) => (build.build === action.build ? with_(build) : build)));
    if (action.kind === "upload") {
      const upload = uploadEntry(action.image, action.build, {
        id: `u${this.#count}`,
        provider: action.provider,
        age,
      });
      change((build) => ({ ...build, uploads: [...build.uploads, upload] }));
    } else if (action.kind === "delete-upload") {
      change((build) => ({
        ...build,
        uploads: build.uploads.filter(({ upload }) => upload !== action.upload),
      }));
    } else if (action.kind === "delete-build") {
      set(entry.builds.filter(({ build }) => build !== action.build));
      this.#files.delete(file);
    } else if (action.kind === "delete-files") {
      const left = [...(this.#files.get(file)?.formats ?? [])].filter(
        (one) => !action.formats?.includes(one),
      );
      if (action.formats === null || left.length === 0) this.#files.delete(file);
      else this.#files.set(file, local(action.image, action.build, { formats: new Set(left) }));
    } else this.#files.delete(file);
  }
}

/** A configuration by chance. */
function randomConfig(random: Random): BuilderConfig {
  const providers: ProviderConfig[] = CLOUDS.filter(() => random.chance(0.8)).map((name) => {
    const listed = IMAGES.filter(() => random.chance(0.6));
    const made = provider(name, listed, { imageFormat: random.pick(["qcow2", "raw"]) });
    return {
      ...made,
      diskimages: made.diskimages.map((one) => ({ ...one, pause: random.chance(0.1) })),
    };
  });
  const images: DiskImageConfig[] = IMAGES.filter(() => random.chance(0.8)).map((name) => {
    const takers = providers.filter(({ diskimages }) => diskimages.some((one) => one.name === name));
    const formats = [
      ...new Set([...takers.map(({ imageFormat }) => imageFormat), ...(random.chance(0.3) ? ["vhd"] : [])]),
    ];
    return diskimage(name, {
      formats: formats.sort(),
      pause: random.chance(0.15),
      rebuildAge: random.pick([1000, 86_400]),
      deleteAfterUpload: random.chance(0.3),
    });
  });
  return config(images, providers);
}

describe("a plan", () => {
  it("is what then happens, over 500 random changes of the configuration", () => {
    let acted = 0;
    for (let seed = 1; seed <= 50; seed += 1) {
      const random = new Random(seed);
      const life = new Life();
      let now = NOW;
      life.live(randomConfig(random), now);
      for (let change = 0; change < 10; change += 1) {
        now += random.pick([10, 2000, 100_000]);
        const next = randomConfig(random);
        const planned = foresee(life.images, next, life.facts(now, next));
        life.live(next, now);
        acted += life.done.length;
        assert.deepEqual(
          planned.map((action) => life.name(action)).sort(),
          life.done.toSorted(),
          `seed ${seed}, change ${change}`,
        );
      }
    }
    assert.ok(acted > 1000, `${acted} actions were planned`);
  });

  const old = config([diskimage("ubuntu")], [provider("cloud", ["ubuntu"])]);
  const state = () => {
    const life = new Life();
    life.live(old, NOW);
    return life;
  };
  const changes = (next: BuilderConfig) => {
    const life = state();
    const plan = planChange(life.images, old, next, life.facts(NOW, old));
    return plan.map(({ kind, subject, destructive }) => `${destructive ? "!" : ""}${kind} ${subject}`);
  };

  it("of the same configuration is empty", () => assert.deepEqual(changes(old), []));

  it("tells of an image with all that follows", () => {
    const next = config(
      [diskimage("ubuntu"), diskimage("debian")],
      [provider("cloud", ["ubuntu", "debian"])],
    );
    assert.deepEqual(changes(next), ["build debian", "upload debian at cloud"]);
  });

  const failing = (...keys: string[]) => {
    const setback = { failures: 3, until: NOW + 600, error: "exit code 1", requestTime: null };
    return facts({ setbacks: new Map(keys.map((key) => [key, setback])) });
  };
  const told = (next: BuilderConfig, known: Facts, images: readonly ImageEntry[] = []) =>
    planChange(images, old, next, known).map(({ kind, subject }) => `${kind} ${subject}`);

  it("tells that an image which fails is built at once when it is changed", () => {
    const mended = config([diskimage("ubuntu", { elements: ["mended"] })], [provider("cloud", ["ubuntu"])]);
    assert.deepEqual(told(mended, failing("build/ubuntu")), ["build ubuntu", "upload ubuntu at cloud"]);
  });

  it("tells that an upload which fails is made at once when its provider is changed", () => {
    const images = [image("ubuntu", { list: [{ id: "b1", age: 100 }] })];
    const changed = config(
      [diskimage("ubuntu")],
      [provider("cloud", ["ubuntu"], { settings: { region: "b" } })],
    );
    const known = {
      ...failing("upload/ubuntu/b1/cloud"),
      files: facts({ here: [local("ubuntu", "b1")] }).files,
    };
    assert.deepEqual(told(changed, known, images), ["upload ubuntu at cloud (build b1)"]);
  });

  it("tells what follows for an image that fails and stays as it is", () => {
    const more = config([diskimage("ubuntu")], [...old.providers, provider("other", ["ubuntu"])]);
    assert.deepEqual(told(more, failing("build/ubuntu")), ["upload ubuntu at other"]);
  });

  it("tells of uploads and builds that go as of something destructive", () => {
    assert.deepEqual(changes(config([diskimage("ubuntu")], [provider("cloud", [])])), [
      "!delete-upload ubuntu at cloud (build b1)",
    ]);
    assert.deepEqual(changes(config([], [provider("cloud", [])])), [
      "!delete-upload ubuntu at cloud (build b1)",
      "!delete-build ubuntu (build b1)",
    ]);
  });
});
