import { createHash } from "node:crypto";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { byName } from "./by_name.ts";
import { type CloudOf, readClouds } from "./clouds/cloud_reader.ts";
import { Cursor } from "./cursor.ts";
import { Family, mergeDiskImage } from "./diskimages.ts";
import { readDocument, type Value } from "./document.ts";
import { examine } from "./examine.ts";
import { deepFreeze, FrozenMap } from "./freeze.ts";
import { didYouMean } from "./nearest.ts";
import { Problems } from "./problems.ts";
import { readProvider } from "./providers.ts";
import { readText } from "./read_text.ts";
import { type DiskImageRow, type RootRow, root, secureRoot } from "./schema.ts";
import { interpolate, type Source } from "./source.ts";
import { readTenantLimits } from "./tenants.ts";
import {
  type Config,
  ConfigError,
  type ConfigProblem,
  type DiskImageConfig,
  type ProviderConfig,
} from "./types.ts";
import { readTls, readZooKeeper } from "./zookeeper.ts";

export interface LoadOptions {
  /** A second YAML file for what not everyone may read. */
  readonly secureFile?: string;
  /** Where `%(NODEPOOL_...)` comes from. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The configuration before: what it has of a cloud counts while that cannot be read. @default none */
  readonly before?: Config;
}

export interface ParseOptions {
  readonly env?: LoadOptions["env"];
  readonly before?: LoadOptions["before"];
  /** Where relative directories are taken from. @default the folder of the file */
  readonly folder?: string;
  readonly secure?: { readonly text: string; readonly file: string };
  /** Warn as well of what is allowed and yet cannot be meant. @default false */
  readonly examine?: boolean;
  /** Asked for the cloud of each OpenStack provider. @default nobody has looked at the clouds */
  readonly cloudOf?: CloudOf;
}

/**
 * Reads nodepool.yaml, as leniently as Nodepool itself: unknown keys and drivers are warnings.
 *
 * Relative directories are taken from the folder of the file.
 *
 * @throws {ConfigError} with all that is wrong
 */
export async function loadConfig(file: string, options: LoadOptions = {}): Promise<Config> {
  const { secureFile, env = {}, before } = options;
  const text = await readText(file, "-c");
  const secure =
    secureFile === undefined ? {} : { secure: { text: await readText(secureFile, "-s"), file: secureFile } };
  const cloudOf = await readClouds(env);
  const known = before === undefined ? {} : { before };
  return parseConfig(text, resolve(file), { env, ...secure, examine: true, cloudOf, ...known });
}

/** A configuration, or none when it cannot be used, with all that is wrong or doubtful in it. */
export interface ConfigReading {
  readonly config: Config | null;
  readonly problems: readonly ConfigProblem[];
}

/** As {@link loadConfig}, for who wants to show the problems. */
export async function readConfig(file: string, options: LoadOptions = {}): Promise<ConfigReading> {
  try {
    const config = await loadConfig(file, options);
    return { config, problems: config.warnings };
  } catch (error) {
    if (error instanceof ConfigError) return { config: null, problems: error.problems };
    throw error;
  }
}

/** What {@link loadConfig} does with the text of a file. */
export function parseConfig(text: string, file: string, options: ParseOptions = {}): Config {
  const { env = {} } = options;
  const problems = new Problems();
  const main = interpolate(text, file, env);
  const secure = options.secure && interpolate(options.secure.text, options.secure.file, env, true);
  const top = readTop(main, problems);
  const row = top && root(top);
  const secureTop = secure && readTop(secure, problems);
  const secrets = secureTop && secureRoot(secureTop);
  const parts =
    row &&
    build(row, secrets, {
      folder: options.folder ?? dirname(file),
      cloudOf: options.cloudOf ?? null,
      before: options.before?.providers ?? [],
      // What is missing because it is wrong would look as if nobody had written it.
      isExamined: () => options.examine === true && !problems.hasErrors,
    });
  const warnings = problems.settle();
  if (parts === undefined) throw new Error(`${file}: unusable, but without a problem`);
  const hash = createHash("sha256")
    .update(main.text)
    .update("\0")
    .update(secure?.text ?? "");
  return deepFreeze({ file, hash: hash.digest("hex"), ...parts, warnings });
}

/** The file's mapping; an empty one for an empty file, none for one that is not YAML. */
function readTop(source: Source, problems: Problems): Cursor | undefined {
  for (const { name, offset } of source.missing) {
    const part = { source, start: offset, end: offset };
    problems.warning(part, "", `the environment has no ${name}: %(${name}) is left as it is`);
  }
  for (const { name, offset } of source.suffixed) {
    const part = { source, start: offset, end: offset };
    problems.warning(part, "", `an s follows %(${name}) and goes on as a letter of the value; remove it`);
  }
  const value = readDocument(source, problems);
  if (value === undefined) return undefined;
  const isEmpty = value === null || (value.kind === "scalar" && value.value === null);
  const nothing: Value = { source, start: 0, end: 0, kind: "map", entries: new Map() };
  return new Cursor(isEmpty ? nothing : value, "", problems);
}

type Parts = Omit<Config, "file" | "hash" | "warnings">;
type SecureRow = ReturnType<typeof secureRoot>;

interface Reading {
  readonly folder: string;
  readonly cloudOf: CloudOf | null;
  readonly before: readonly ProviderConfig[];
  readonly isExamined: () => boolean;
}

function build(row: RootRow, secure: SecureRow, { folder, cloudOf, before, isExamined }: Reading): Parts {
  const absolute = (path: string) => (isAbsolute(path) ? path : join(folder, path));
  const elements = row["elements-dir"];
  const labels = byName(row.labels, "label");
  const images = byName(row.diskimages, "diskimage");
  for (const image of secure?.diskimages ?? []) {
    const known = images.get(image.name);
    const place = image.at.key("name");
    if (known === undefined) {
      place?.error(() => `unknown diskimage ${image.name}${didYouMean(image.name, images.keys())}`);
    } else if (known.abstract) {
      const remedy = "list it under the diskimages that have it as parent";
      place?.error(`diskimage ${image.name} is abstract and not built: ${remedy}`);
    }
  }
  const defined = {
    labels: new Set(labels.keys()),
    diskimages: new Set(images.keys()),
    abstractImages: new Set([...images.values()].filter((image) => image.abstract).map(({ name }) => name)),
    absolute,
    cloudOf,
    before,
  };
  const rows = [...byName(row.providers, "provider").values()];
  const providers = rows.flatMap(({ at, driver }) => readProvider(at, driver, defined) ?? []);
  const secret = secure?.["zookeeper-servers"] ?? [];
  const servers = secret.length > 0 ? secret : row["zookeeper-servers"];
  const tls = readTls(row["zookeeper-tls"], secure?.["zookeeper-tls"]);
  const built = new FrozenMap(buildDiskImages(images, providers, secure));
  if (isExamined()) examine({ row, providers, images, built, servers, usesTls: tls !== null });
  return {
    zookeeper: readZooKeeper(servers, tls, row["zookeeper-timeout"]),
    imagesDir: row["images-dir"] === undefined ? null : absolute(row["images-dir"]),
    elementsDir: elements === undefined ? null : elements.split(":").map(absolute).join(":"),
    buildLogDir: absolute(row["build-log-dir"]),
    buildLogRetention: row["build-log-retention"],
    maxHoldAge: row["max-hold-age"] > 0 ? row["max-hold-age"] : Infinity,
    labels: new FrozenMap(
      [...labels.values()].map((label) => [
        label.name,
        { name: label.name, minReady: label["min-ready"], maxReadyAge: label["max-ready-age"] },
      ]),
    ),
    diskimages: built,
    providers,
    tenantLimits: new FrozenMap(readTenantLimits(row["tenant-resource-limits"])),
    webapp: { port: row.webapp?.port ?? 8005, listenAddress: row.webapp?.listen_address ?? "0.0.0.0" },
  };
}

function* buildDiskImages(
  rows: ReadonlyMap<string, DiskImageRow>,
  providers: readonly ProviderConfig[],
  secure: SecureRow,
): Generator<[string, DiskImageConfig]> {
  const formats = formatsByImage(providers);
  const family = new Family(rows);
  for (const [name, row] of rows) {
    const chain = family.chain(row);
    if (chain === null || row.abstract) continue;
    const secret = secure?.diskimages.filter((image) => image.name === name) ?? [];
    yield [
      name,
      mergeDiskImage(row, chain, {
        formats: formats.get(name) ?? new Set(),
        envVars: Object.assign({}, ...secret.map((image) => image["env-vars"])),
      }),
    ];
  }
}

/** The formats that the providers which list an image take. */
function formatsByImage(providers: readonly ProviderConfig[]): Map<string, Set<string>> {
  const formats = new Map<string, Set<string>>();
  for (const provider of providers.filter((each) => each.managesImages)) {
    for (const { name } of provider.diskimages) {
      formats.set(name, (formats.get(name) ?? new Set()).add(provider.imageFormat));
    }
  }
  return formats;
}
