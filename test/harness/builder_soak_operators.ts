// The operators of the builder soak, each in a loop until they are told to rest.
import type { Clients } from "../../lib/rpc/client.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { Random } from "../simulation/random.ts";
import { IMAGES } from "./builder_soak_config.ts";
import type { BuilderSoakWorld } from "./builder_soak_world.ts";
import { until } from "./launcher.ts";
import { pause } from "./soak_strikes.ts";
import { toleratingStates } from "./soak_tolerance.ts";

const OPERATORS = 2;
/** A call that nobody has answered may yet be carried out for so long, by a builder that was stopped. */
const LATE_MS = 20_000;

export class BuilderSoakOperators {
  readonly #world: BuilderSoakWorld;
  readonly #loops: Promise<void>[] = [];
  /** Until when it cannot be told whether an image is paused. */
  readonly #uncertain = new Map<string, number>();
  #isResting = false;

  /** Begins all loops. */
  constructor(world: BuilderSoakWorld, seed: number) {
    this.#world = world;
    for (let number = 0; number < OPERATORS; number += 1) {
      this.#loops.push(this.#work(new Random(seed * 100 + number), number === 0));
    }
  }

  /** Ends the loops; no image is paused any more. */
  async rest(): Promise<void> {
    this.#isResting = true;
    await Promise.all(this.#loops);
    for (const image of IMAGES) {
      await until(`${image} is resumed`, async () => {
        for (const { clients } of this.#world.daemons) await this.#resume(clients.images, image);
        return this.#world.view.image(image)?.paused === false;
      });
    }
  }

  async #work(random: Random, mayPause: boolean): Promise<void> {
    while (!this.#isResting) {
      await pause(random.below(2500));
      await this.#operate(random, mayPause).catch((error: unknown) =>
        this.#world.wrong(`operator: ${messageOf(error)}`),
      );
    }
  }

  async #operate(random: Random, mayPause: boolean): Promise<void> {
    const world = this.#world;
    const { images: api } = random.pick(world.daemons).clients;
    const image = random.pick(IMAGES);
    const name = `images/${image}`;
    const builds = [...(world.view.image(image)?.builds ?? [])];
    const build = builds.length === 0 ? undefined : random.pick(builds);
    const uploads = builds.flatMap((each) => [...each.uploads]);
    const upload = uploads.length === 0 ? undefined : random.pick(uploads);
    const act = async (what: string, call: () => Promise<unknown>) => {
      world.note(`operator: ${what}`);
      world.count(`operator ${what.replace(/ .*/, "")}`);
      await call().catch(toleratingStates);
    };
    const deeds = [
      () => act(`build ${image}`, () => api.buildImage({ name })),
      () => act(`build ${image}`, () => api.buildImage({ name })),
      () => act(`explain ${image}`, () => api.explainImage({ name })),
      () => act("list", () => api.listUploads({ parent: "images/-" })),
      async () => {
        if (build === undefined) return;
        world.asked.add(build.build);
        const request = { name: `${name}/builds/${build.build}` };
        if (build.record?.state === "building") {
          await act(`cancel ${request.name}`, () => api.cancelBuild(request));
        } else await act(`delete-build ${request.name}`, () => api.deleteBuild(request));
      },
      async () => {
        if (upload === undefined) return;
        world.asked.add(`${upload.build}/${upload.provider}/${upload.upload}`);
        const path = `${name}/builds/${upload.build}/providers/${upload.provider}/uploads/${upload.upload}`;
        await act(`delete-upload ${path}`, () => api.deleteUpload({ name: path }));
      },
      // One of them only, so that it is known what holds.
      async () => {
        if (mayPause) await act(`pause ${image}`, () => this.#pause(api, image));
      },
      async () => {
        if (mayPause) await act(`resume ${image}`, () => this.#resume(api, image));
      },
    ];
    await random.pick(deeds)();
  }

  async #pause(api: Clients["images"], image: string): Promise<void> {
    const answer = await api.pauseImage({ name: `images/${image}` }).catch(toleratingStates);
    const isDone = !("failed" in answer);
    const { pausedSince } = this.#world;
    if (isDone && (this.#uncertain.get(image) ?? 0) < Date.now() && !pausedSince.has(image)) {
      pausedSince.set(image, Date.now());
    }
  }

  async #resume(api: Clients["images"], image: string): Promise<void> {
    this.#world.pausedSince.delete(image);
    await api.resumeImage({ name: `images/${image}` }).catch((error: unknown) => {
      this.#uncertain.set(image, Date.now() + LATE_MS);
      toleratingStates(error);
    });
  }
}
