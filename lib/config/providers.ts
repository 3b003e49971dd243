import { messageOf } from "../std/errors.ts";
import { byName } from "./by_name.ts";
import { textOf } from "./clouds/cloud.ts";
import { type CloudOf, fingerprintOf } from "./clouds/cloud_reader.ts";
import type { Cursor } from "./cursor.ts";
import type { DriverSchema } from "./drivers/driver.ts";
import { labelsOf } from "./drivers/static.ts";
import { DRIVER_NAMES, driverSchema, SERVED_DRIVERS } from "./drivers.ts";
import { plainKeys } from "./mapping.ts";
import { didYouMean } from "./nearest.ts";
import { type PoolRow, type ProviderRow, provider } from "./schema.ts";
import type { PoolConfig, PoolLabelConfig, ProviderConfig } from "./types.ts";

/** What the rest of the file defines, for the references of providers, and how to read its paths. */
export interface Definitions {
  readonly labels: ReadonlySet<string>;
  readonly diskimages: ReadonlySet<string>;
  readonly abstractImages: ReadonlySet<string>;
  readonly absolute: (path: string) => string;
  /** Null: nobody has looked at the clouds. */
  readonly cloudOf: CloudOf | null;
  /** Providers that were read before. */
  readonly before: readonly ProviderConfig[];
}

/**
 * Reads one provider and checks what it refers to. Undefined when it cannot be used; the problems say why. What is wrong
 * with a provider that nobody runs here must not stop the others, so it is a warning.
 */
export function readProvider(
  given: Cursor,
  driver: string,
  defined: Definitions,
): ProviderConfig | undefined {
  const at = SERVED_DRIVERS.has(driver) ? given : given.tolerant();
  const facts = driverSchema(driver);
  if (!DRIVER_NAMES.includes(driver)) {
    const known = DRIVER_NAMES.join(", ");
    const place = at.key("driver") ?? at;
    place.warning(
      () => `"${driver}" is not a known driver${didYouMean(driver, DRIVER_NAMES) || `; known: ${known}`}`,
    );
  }
  const row = readerOf(facts)(at);
  if (row === undefined) return undefined;
  const images = [...byName(row.diskimages, "diskimage").values()];
  const pools = [...byName(row.pools, "pool").values()];
  const cloudImages = byName(row["cloud-images"], "cloud-image");
  for (const image of images) checkImage(image.at.key("name"), image.name, defined);
  const unlimited = row["max-concurrency"] < 0;
  const usual = facts.imageFormat ?? "";
  const cloud = cloudOf(row, driver, usual, defined);
  const ownFormat = row.own["image-format"];
  return {
    name: row.name,
    driver,
    maxConcurrency: unlimited ? Infinity : row["max-concurrency"],
    bootTimeout: row["boot-timeout"],
    launchTimeout: row["launch-timeout"],
    launchRetries: row["launch-retries"],
    imageUploadTimeout: row["image-upload-timeout"],
    imageNameFormat: row["image-name-format"],
    postUploadHook: row["post-upload-hook"] ?? null,
    imageFormat: typeof ownFormat === "string" ? ownFormat : (cloud?.imageFormat ?? usual),
    managesImages: facts.imageFormat !== null,
    diskimages: images.map((image) => ({
      name: image.name,
      pause: image.pause,
      connectionType: image["connection-type"],
      connectionPort: image["connection-port"] ?? (image["connection-type"] === "winrm" ? 5986 : 22),
      meta: image.meta,
    })),
    pools: pools.map((pool) => readPool(pool, row, { facts, driver, defined, cloudImages })),
    ...(cloud === null ? {} : { cloudFingerprint: cloud.fingerprint }),
    settings: {
      ...settingsOf(row, facts),
      ...stateDir(row, defined),
      diskimages: row.diskimages.map((image) => ({ ...settingsOf(image, facts), name: image.name })),
      "cloud-images": row["cloud-images"].map((image) => ({ ...settingsOf(image, facts), name: image.name })),
    },
  };
}

/** What a mapping says to the driver; all that stands there, where the driver's keys are not written down. */
function settingsOf({ at, own }: DriverRow, { open }: DriverSchema): Readonly<Record<string, unknown>> {
  return open ? { ...plainKeys(at), ...own } : own;
}

type DriverRow = Pick<ProviderRow, "at" | "own">;
type Reader = ReturnType<typeof provider>;
const readers = new Map<DriverSchema, Reader>();

function readerOf(schema: DriverSchema): Reader {
  const known = readers.get(schema) ?? provider(schema);
  readers.set(schema, known);
  return known;
}

/** The local driver's folder is taken from that of the file. */
function stateDir(row: ProviderRow, defined: Definitions): Record<string, unknown> {
  const given = row.own["state-dir"];
  return typeof given === "string" ? { "state-dir": defined.absolute(given) } : {};
}

interface CloudFacts {
  readonly imageFormat: string;
  readonly fingerprint: string;
}

/**
 * What the files of the clouds say of an OpenStack provider; null for others. Where they cannot be read there is a
 * warning, and it is what they said before, or null.
 */
function cloudOf(row: ProviderRow, driver: string, usual: string, defined: Definitions): CloudFacts | null {
  if (driver !== "openstack" || defined.cloudOf === null) return null;
  const { cloud: name, "region-name": region } = row.own;
  try {
    const cloud = defined.cloudOf(textOf(name), textOf(region));
    return { imageFormat: cloud.imageFormat, fingerprint: fingerprintOf(cloud) };
  } catch (error) {
    const before = cloudBefore(row, defined);
    if (row.diskimages.length > 0) {
      const place = row.at.key("cloud") ?? row.at;
      const taken =
        before === null
          ? `its image_format is not known, so ${usual} is taken`
          : `cannot be read, so its image_format is taken to be ${before.imageFormat} as before`;
      place.warning(`${taken}: ${messageOf(error)}`);
    }
    return before;
  }
}

function cloudBefore(row: ProviderRow, { before }: Definitions): CloudFacts | null {
  const known = before.find(
    ({ name, settings }) =>
      name === row.name &&
      settings.cloud === row.own.cloud &&
      settings["region-name"] === row.own["region-name"],
  );
  if (known?.cloudFingerprint === undefined) return null;
  return { imageFormat: known.imageFormat, fingerprint: known.cloudFingerprint };
}

function checkImage(place: Cursor | null, image: string, defined: Definitions): void {
  if (defined.abstractImages.has(image)) {
    place?.error(`diskimage ${image} is abstract, so it is never built; name one that has it as its parent`);
  } else if (!defined.diskimages.has(image)) {
    place?.error(
      () =>
        `diskimage ${image} is not defined${didYouMean(image, defined.diskimages) || "; add it to the top-level diskimages"}`,
    );
  }
}

interface PoolSurroundings {
  readonly facts: DriverSchema;
  readonly driver: string;
  readonly defined: Definitions;
  /** Those of the provider, by name. */
  readonly cloudImages: ReadonlyMap<string, unknown>;
}

function readPool(pool: PoolRow, row: ProviderRow, around: PoolSurroundings): PoolConfig {
  const { facts, driver } = around;
  const limits = (key: "max-servers" | "max-cores" | "max-ram", ...others: string[]) => {
    if (pool[key] !== undefined) return pool[key];
    if (!facts.inheritsLimits) return Infinity;
    const inherited = [...others, key].map((each) => row.own[each]);
    return inherited.find((value) => typeof value === "number") ?? Infinity;
  };
  return {
    name: pool.name,
    maxServers: limits("max-servers", "max-projects"),
    maxCores: limits("max-cores"),
    maxRam: limits("max-ram"),
    priority: pool.priority ?? row.priority,
    nodeAttributes: pool["node-attributes"],
    ignoreProviderQuota: pool["ignore-provider-quota"],
    labels: driver === "static" ? staticLabels(pool, around.defined) : readLabels(pool, row, around),
    settings: settingsOf(pool, facts),
  };
}

function readLabels(pool: PoolRow, row: ProviderRow, around: PoolSurroundings): PoolLabelConfig[] {
  const { facts, driver, defined } = around;
  const ofProvider = row.own["host-key-checking"];
  const common = typeof ofProvider === "boolean" ? ofProvider : facts.hostKeyChecking;
  const checking = pool["host-key-checking"] ?? common;
  return [...byName(pool.labels, "label").values()].flatMap((label) => {
    checkLabel(label.at.key("name"), label.name, defined);
    if (label.diskimage !== undefined)
      checkLabelImage(label.at.key("diskimage"), label.diskimage, row, around);
    if (label["cloud-image"] !== undefined)
      checkCloudImage(label.at.key("cloud-image"), label["cloud-image"], label.name, { row, around });
    const { diskimage = null, "cloud-image": cloudImage = null } = label;
    if (facts.needsImage && diskimage === null && cloudImage === null) {
      const remedy = driver === "local" ? "a diskimage" : "a diskimage or a cloud-image";
      label.at.warning(`names no image, so this pool does not serve label ${label.name}; name ${remedy}`);
      return [];
    }
    if (facts.needsImage && diskimage !== null && cloudImage !== null) {
      label.at.warning(
        `names both a diskimage and a cloud-image; the diskimage counts, remove the cloud-image`,
      );
    }
    return {
      name: label.name,
      diskimage,
      cloudImage: facts.needsImage && diskimage !== null ? null : cloudImage,
      hostKeyChecking: label["host-key-checking"] ?? checking,
      consoleLog: label["console-log"],
      settings: settingsOf(label, facts),
    };
  });
}

function checkLabel(place: Cursor | null, label: string, defined: Definitions): void {
  if (defined.labels.has(label)) return;
  place?.error(
    () =>
      `label ${label} is not defined${didYouMean(label, defined.labels) || "; add it to the top-level labels"}`,
  );
}

function checkLabelImage(
  place: Cursor | null,
  image: string,
  row: ProviderRow,
  around: PoolSurroundings,
): void {
  const listed = row.diskimages.some((each) => each.name === image);
  if (listed) return;
  if (!around.defined.diskimages.has(image) || around.defined.abstractImages.has(image)) {
    checkImage(place, image, around.defined);
  } else if (around.facts.imageFormat !== null) {
    place?.warning(
      `diskimage ${image} is never uploaded to provider ${row.name}; add it to the provider's diskimages`,
    );
  }
}

function checkCloudImage(
  place: Cursor | null,
  image: string,
  label: string,
  { row, around }: { readonly row: ProviderRow; readonly around: PoolSurroundings },
): void {
  const known = around.cloudImages;
  if (known.has(image)) return;
  place?.error(
    () =>
      `cloud-image ${image} does not exist in provider ${row.name} but is referenced in label ${label}${didYouMean(image, known.keys())}`,
  );
}

/** The labels of a static pool are those of its hosts. */
function staticLabels(pool: PoolRow, defined: Definitions): PoolLabelConfig[] {
  const labels = new Map<string, PoolLabelConfig>();
  for (const node of pool.at.key("nodes")?.items() ?? []) {
    for (const { name, at } of labelsOf(node)) {
      checkLabel(at, name, defined);
      labels.set(name, {
        name,
        diskimage: null,
        cloudImage: null,
        hostKeyChecking: node.key("host-key-checking")?.plain() !== false,
        consoleLog: false,
        settings: {},
      });
    }
  }
  return [...labels.values()];
}
