// The configurations of the builder soak: one in which every image goes to its providers and stays, and random others.
import type { Random } from "../simulation/random.ts";
import { SESSION_TIMEOUT_MS, type Servers } from "./soak_fleet.ts";

export const IMAGES = ["ark", "boat", "canoe"] as const;
/** Builds that one builder may have at once. */
export const BUILD_WORKERS = 2;
/** How long a builder may take its lost lock back, and how long one with the newest files may be away, in seconds. */
export const [TAKEOVER_GRACE, AWAY_GRACE] = [3, 6];
/** How long builds and uploads may take, in seconds. */
const [BUILD_TIMEOUT, UPLOAD_TIMEOUT] = [6, 5];
const A_DAY = 86_400;

interface ImageSetting {
  readonly formats: readonly string[];
  readonly isPaused: boolean;
  /** Whether its files go when they are uploaded. */
  readonly isSpent: boolean;
}

interface ProviderSetting {
  readonly images: readonly string[];
  /** Those of them that are not to be uploaded. */
  readonly paused: readonly string[];
  readonly isGivenUp: boolean;
}

/** What differs between configurations. */
export interface BuilderSoakConfig {
  /** In seconds. */
  readonly rebuildAge: number;
  readonly images: Readonly<Record<string, ImageSetting>>;
  readonly providers: Readonly<Record<string, ProviderSetting>>;
}

const image = (...formats: string[]): ImageSetting => ({ formats, isPaused: false, isSpent: false });
const provider = (...images: string[]): ProviderSetting => ({ images, paused: [], isGivenUp: false });

/** Nothing is due but what is missing. */
export const WHOLE: BuilderSoakConfig = {
  rebuildAge: A_DAY,
  images: { ark: image("qcow2"), boat: image("qcow2", "raw"), canoe: image("qcow2") },
  providers: { north: provider(...IMAGES), south: provider("ark", "boat"), west: provider("canoe", "ark") },
};

/** The same, with builds that are due again and again. */
export const BUSY: BuilderSoakConfig = { ...WHOLE, rebuildAge: 4 };

/** Another one: an edit or some. */
export function editedConfig(random: Random): BuilderSoakConfig {
  const images = { ...BUSY.images };
  const providers = { ...BUSY.providers };
  const changeImage = (change: Partial<ImageSetting>) => {
    const name = random.pick(IMAGES);
    const before = images[name];
    if (before !== undefined) images[name] = { ...before, ...change };
  };
  const changeProvider = (change: (before: ProviderSetting) => Partial<ProviderSetting>) => {
    const name = random.pick(Object.keys(providers));
    const before = providers[name];
    if (before !== undefined) providers[name] = { ...before, ...change(before) };
  };
  const edits = [
    () => changeImage({ formats: random.pick([["qcow2"], ["qcow2", "raw"], ["qcow2", "vhd"]]) }),
    () => changeImage({ isPaused: true }),
    () => changeImage({ isSpent: true }),
    () => changeProvider((before) => ({ images: before.images.slice(1) })),
    () => changeProvider(() => ({ images: [...IMAGES] })),
    () => changeProvider((before) => ({ paused: before.images.slice(0, 1) })),
    () => changeProvider(() => ({ isGivenUp: true })),
    () => {
      delete providers[random.pick(["south", "west"])];
    },
    () => {
      const gone = random.pick(IMAGES);
      delete images[gone];
      for (const [name, each] of Object.entries(providers)) {
        providers[name] = { ...each, images: each.images.filter((listed) => listed !== gone) };
      }
    },
  ];
  for (let count = 1 + random.below(3); count > 0; count -= 1) random.pick(edits)();
  // What an edit has taken out, a later one may not list.
  for (const [name, each] of Object.entries(providers)) {
    providers[name] = { ...each, images: each.images.filter((listed) => images[listed] !== undefined) };
  }
  return { rebuildAge: random.pick([2, 4, 8]), images, providers };
}

/** Whether a provider is to keep its uploads of an image. */
export function isListed({ images, providers }: BuilderSoakConfig, name: string, at: string): boolean {
  const place = providers[at];
  // Uploads at a provider that is not there are nobody's business.
  if (place === undefined) return images[name] !== undefined;
  return images[name] !== undefined && !place.isGivenUp && place.images.includes(name);
}

/** Where a builder works. */
export interface BuilderPlace {
  readonly zooKeeper: Servers;
  readonly imagesDir: string;
  readonly logDir: string;
  readonly temporary: string;
  readonly dibCommand: string;
  /** The cloud's address. */
  readonly cloud: string;
}

/** The nodepool.yaml. */
export function builderConfigText(config: BuilderSoakConfig, place: BuilderPlace): string {
  const { rebuildAge, images, providers } = config;
  const diskimages = Object.entries(images).map(
    ([name, { formats, isPaused, isSpent }]) => `
  - name: ${name}
    dib-cmd: ${place.dibCommand}
    elements: [vm]
    formats: [${formats.join(", ")}]
    rebuild-age: ${rebuildAge}
    build-timeout: ${BUILD_TIMEOUT}
    pause: ${isPaused}
    delete-after-upload: ${isSpent}
    env-vars: {TMP_DIR: ${place.temporary}}`,
  );
  const places = Object.entries(providers).map(
    ([name, { images: listed, paused, isGivenUp }]) => `
  - name: ${name}
    driver: fake
    cloud: ${place.cloud}
    image-upload-timeout: ${UPLOAD_TIMEOUT}
    diskimages: [${listed.map((each) => `{name: ${each}, pause: ${paused.includes(each)}}`).join(", ")}]
    pools: [${isGivenUp ? "{name: main, max-servers: -1, labels: []}" : ""}]`,
  );
  const servers = place.zooKeeper.map(({ host, port }) => `{host: ${host}, port: ${port}}`);
  return `
zookeeper-servers: [${servers.join(", ")}]
zookeeper-timeout: ${SESSION_TIMEOUT_MS / 1000}
images-dir: ${place.imagesDir}
build-log-dir: ${place.logDir}
build-log-retention: 2
diskimages:${diskimages.join("") || " []"}
providers:${places.join("") || " []"}
`;
}
