import type { Cursor } from "./cursor.ts";
import { Family } from "./diskimages.ts";
import { backedBy, examineBacking } from "./examine_backing.ts";
import type { DiskImageRow, RootRow } from "./schema.ts";
import type { DiskImageConfig, PoolConfig, ProviderConfig } from "./types.ts";

// What is allowed and yet cannot be meant. Each warning says what will happen and what to change.

/** A configuration as it was read, and where it stands. */
export interface Examined {
  readonly row: RootRow;
  readonly providers: readonly ProviderConfig[];
  readonly images: ReadonlyMap<string, DiskImageRow>;
  /** Those that are built, with what they have of their parents. */
  readonly built: ReadonlyMap<string, DiskImageConfig>;
  /** Those that count of both files. */
  readonly servers: RootRow["zookeeper-servers"];
  readonly usesTls: boolean;
}

/** Looks at what no single key can tell. */
export function examine(examined: Examined): void {
  examineLabels(examined);
  examineSums(examined);
  examineImages(examined);
  for (const { at, name } of examined.row.providers) {
    const provider = examined.providers.find((candidate) => candidate.name === name);
    if (provider !== undefined) examineProvider(at, provider);
  }
  examineBacking(examined);
  examineServers(examined);
}

interface Place {
  readonly provider: ProviderConfig;
  readonly pool: PoolConfig;
}

/** The pools that serve each label. */
function placesOf(providers: readonly ProviderConfig[]): Map<string, Place[]> {
  const places = new Map<string, Place[]>();
  for (const provider of providers) {
    for (const pool of provider.pools) {
      for (const { name } of pool.labels) {
        const known = places.get(name) ?? [];
        known.push({ provider, pool });
        places.set(name, known);
      }
    }
  }
  return places;
}

/** Nodes that a pool may have; a static pool has as many as its hosts take. */
function roomOf({ provider, pool }: Place): number {
  if (provider.maxConcurrency === 0) return 0;
  return Math.max(0, pool.maxServers);
}

function examineLabels({ row, providers }: Examined): void {
  const places = placesOf(providers);
  const backing = backedBy(providers);
  for (const label of row.labels) {
    const { at, name, "min-ready": wanted, "max-ready-age": age } = label;
    const serving = places.get(name) ?? [];
    if (serving.length === 0) {
      const use = backing.has(name) ? "its nodes are to be shared" : "requests for it fail";
      at.key("name")?.warning(
        `label ${name} is in no pool, so ${use}; add it to a pool of a provider, or remove it here`,
      );
    }
    // -1 is how Nodepool has a label switched off.
    if (wanted < -1)
      at.key("min-ready")?.warning(`is ${wanted}, which counts as 0; write how many are to be kept`);
    const room = serving.reduce((sum, place) => sum + roomOf(place), 0);
    if (wanted > room && serving.length > 0) {
      at.key("min-ready")?.warning(
        `asks for ${wanted} nodes, but the pools of label ${name} take ${room}; raise their max-servers, or lower min-ready`,
      );
    }
    if (age > 0 && age < 60) {
      at.key("max-ready-age")?.warning(
        `is ${age} seconds, which is less than a launch takes; is it minutes?`,
      );
    }
  }
}

/** Labels that only one pool serves share its room. */
function examineSums({ row, providers }: Examined): void {
  const places = placesOf(providers);
  const kept = new Map<PoolConfig, number>();
  for (const { name, "min-ready": wanted } of row.labels) {
    const [first, second] = places.get(name) ?? [];
    if (first === undefined || second !== undefined || wanted <= 0) continue;
    kept.set(first.pool, (kept.get(first.pool) ?? 0) + wanted);
  }
  for (const { at, name } of row.providers) {
    const pools = providers.find((provider) => provider.name === name)?.pools ?? [];
    for (const place of at.key("pools")?.items() ?? []) {
      const pool = pools.find((candidate) => candidate.name === place.key("name")?.text());
      const sum = pool === undefined ? 0 : (kept.get(pool) ?? 0);
      if (pool === undefined || sum <= pool.maxServers || pool.maxServers <= 0) continue;
      place
        .key("max-servers")
        ?.warning(
          `is ${pool.maxServers}, but the labels that only this pool serves have a min-ready of ${sum} together; raise it, or lower theirs`,
        );
    }
  }
}

function examineImages({ row, providers, images, built }: Examined): void {
  const family = new Family(images);
  const isDeleting = ({ name }: DiskImageRow) => built.get(name)?.deleteAfterUpload === true;
  // Files are deleted of these, or of a descendant.
  const deleting = new Set(
    [...images.values()].filter(isDeleting).flatMap((image) => family.chain(image) ?? []),
  );
  const parents = new Set(row.diskimages.map(({ parent }) => parent));
  const listed = new Set(providers.flatMap(({ diskimages }) => diskimages.map(({ name }) => name)));
  for (const image of images.values()) {
    const place = image.at.key("name");
    if (image.abstract) {
      if (!parents.has(image.name)) {
        place?.warning(`diskimage ${image.name} is abstract and no other has it as its parent; remove it`);
      }
    } else if (!listed.has(image.name) && !parents.has(image.name)) {
      const effect = image.formats === undefined ? "it is never built" : "it is built for nobody";
      place?.warning(
        `diskimage ${image.name} is in no provider's diskimages, so ${effect}; list it there, or remove it`,
      );
    }
    const kept = image["keep-formats"] ?? [];
    if (kept.length > 0 && !deleting.has(image)) {
      image.at
        .key("keep-formats")
        ?.warning("has no effect without delete-after-upload: true; add it, or remove this");
    }
    if (image["rebuild-age"] !== undefined && image["rebuild-age"] > 0 && image["rebuild-age"] < 600) {
      image.at
        .key("rebuild-age")
        ?.warning(
          `is ${image["rebuild-age"]} seconds: the image is built all the time; is it minutes or hours?`,
        );
    }
  }
}

function examineProvider(at: Cursor, provider: ProviderConfig): void {
  const place = at.key("name");
  if (provider.pools.length === 0) {
    place?.warning(`provider ${provider.name} has no pools, so no node runs there; add pools, or remove it`);
    return;
  }
  const labels = provider.pools.flatMap((pool) => pool.labels);
  const unused = (key: string, used: ReadonlySet<string | null>, effect: string) => {
    for (const item of at.key(key)?.items() ?? []) {
      const name = item.key("name");
      const text = name?.text() ?? null;
      if (text === null || used.has(text)) continue;
      name?.warning(
        `${text} is used by no label of provider ${provider.name}, ${effect}; remove it, or name it in a label`,
      );
    }
  };
  unused("diskimages", new Set(labels.map(({ diskimage }) => diskimage)), "but is uploaded there");
  unused("cloud-images", new Set(labels.map(({ cloudImage }) => cloudImage)), "so it has no effect");
  if (provider.launchTimeout < provider.bootTimeout) {
    (at.key("launch-timeout") ?? at.key("boot-timeout"))?.warning(
      `launch-timeout (${provider.launchTimeout} s) ends before boot-timeout (${provider.bootTimeout} s) does; raise launch-timeout`,
    );
  }
  for (const pool of at.key("pools")?.items() ?? []) examinePool(pool, provider.driver);
  for (const key of ["diskimages", "cloud-images"]) at.key(key)?.items().forEach(examinePort);
}

function examinePool(pool: Cursor, driver: string): void {
  const hosts = pool.key("nodes")?.items() ?? [];
  const labels = pool.key("labels")?.items() ?? [];
  if (hosts.length === 0 && labels.length === 0) {
    const what = driver === "static" ? "nodes" : "labels";
    pool.warning(`has no ${what}, so it serves nothing; add ${what}, or remove it`);
  }
  for (const host of hosts) examinePort(host);
  const isSmall = (place: Cursor | null) => {
    const value = Number(place?.text());
    if (place === null || !(value > 0 && value < 128)) return;
    place.warning(`is ${value} MiB, which no machine has; write it in MiB`);
  };
  isSmall(pool.key("max-ram"));
  for (const label of labels) isSmall(label.key("min-ram"));
}

/** Doors that lead to another house. */
function examinePort(at: Cursor): void {
  const place = at.key("connection-port");
  const type = at.key("connection-type")?.text() ?? "ssh";
  const wrong = type === "winrm" ? ["22"] : type === "ssh" ? ["5985", "5986"] : [];
  if (place === null || !wrong.includes(place.text() ?? "")) return;
  const usual = type === "winrm" ? "5986" : "22";
  place.warning(
    `is ${place.text()}, but connection-type is ${type}; ${usual} is usual, leave the port out for it`,
  );
}

function examineServers({ servers, usesTls }: Examined): void {
  for (const { at, port } of servers) {
    const place = at.key("port") ?? at;
    if (port === 2281 && !usesTls) {
      place.warning(
        "port 2281 is ZooKeeper's for TLS, but there is no zookeeper-tls; add it, or write port: 2181",
      );
    } else if (port === 2181 && usesTls) {
      place.warning(
        "port 2181 is ZooKeeper's without TLS, but there is zookeeper-tls; TLS is usually on 2281",
      );
    }
  }
}
