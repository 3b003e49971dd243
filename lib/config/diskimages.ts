import { didYouMean } from "./nearest.ts";
import type { DiskImageRow } from "./schema.ts";
import type { DiskImageConfig } from "./types.ts";

/** Formats and environment come from elsewhere in the files as well. */
export interface DiskImageAdditions {
  /** The formats that the providers which list the image take. */
  readonly formats: ReadonlySet<string>;
  /** The image's variables in the secure file. */
  readonly envVars: Readonly<Record<string, string>>;
}

/** Generations that an image may have: more are a mistake. */
const MAXIMUM_GENERATIONS = 100;

/** Who descends from whom. */
export class Family {
  readonly #rows: ReadonlyMap<string, DiskImageRow>;

  constructor(rows: ReadonlyMap<string, DiskImageRow>) {
    this.#rows = rows;
  }

  /** The chain from the oldest ancestor to the image itself; null when it is broken, which is reported. */
  chain(row: DiskImageRow): readonly DiskImageRow[] | null {
    const chain = [row];
    for (let child = row; child.parent !== undefined; ) {
      const wanted = child.parent;
      const parent = this.#rows.get(wanted);
      const place = row.at.key("parent");
      if (parent === undefined) {
        // Said once, by the image that names it.
        if (child === row) {
          const others = [...this.#rows.keys()].filter((name) => name !== row.name);
          place?.error(
            () =>
              `diskimage ${row.name} has the parent ${wanted}, which is not among the diskimages${didYouMean(wanted, others)}`,
          );
        }
        return null;
      }
      if (chain.includes(parent)) {
        // Said by those in the circle, and not by those who come to it.
        const circle = [...chain, parent].map((image) => image.name).join(" -> ");
        if (parent === row) place?.error(`its parents form a circle: ${circle}`);
        return null;
      }
      if (chain.length === MAXIMUM_GENERATIONS) {
        place?.error(`has more than ${MAXIMUM_GENERATIONS} generations of parents`);
        return null;
      }
      chain.push(parent);
      child = parent;
    }
    return chain.reverse();
  }
}

/** The image as its ancestors and it itself make it: lists of elements and variables add up, the rest is replaced. */
export function mergeDiskImage(
  image: DiskImageRow,
  chain: readonly DiskImageRow[],
  additions: DiskImageAdditions,
): DiskImageConfig {
  /** The youngest value that was given. */
  const last = <T>(pick: (row: DiskImageRow) => T | undefined): T | undefined =>
    chain.map(pick).findLast((value) => value !== undefined && !isEmpty(value));
  const formats = new Set([...(last((row) => row.formats) ?? []), ...additions.formats]);
  return {
    name: image.name,
    dibCommand: last((row) => row["dib-cmd"]) ?? "disk-image-create",
    elements: chain.flatMap((row) => row.elements),
    envVars: Object.assign({}, ...chain.map((row) => row["env-vars"]), additions.envVars),
    formats: [...formats].sort(),
    keepFormats: [...new Set(last((row) => row["keep-formats"]) ?? [])].sort(),
    deleteAfterUpload: last((row) => row["delete-after-upload"]) ?? false,
    pause: chain.some((row) => row.pause === true),
    pythonPath: last((row) => row["python-path"]) ?? "auto",
    shellType: last((row) => row["shell-type"]) ?? null,
    rebuildAge: last((row) => row["rebuild-age"]) ?? 86400,
    buildTimeout: last((row) => row["build-timeout"]) ?? 28800,
    release: last((row) => row.release) ?? "",
    username: last((row) => row.username) ?? "zuul",
    metadata: image.metadata,
  };
}

/** Whether it is as good as left out, as for Nodepool; a false is something. */
function isEmpty(value: unknown): boolean {
  return value === "" || value === 0 || (Array.isArray(value) && value.length === 0);
}
