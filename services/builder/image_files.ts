// The image files in images-dir, and which of them are ours.
//
// A build's files are ours when `<image>-<build>.nodepool.json` stands beside them. It is written before the build
// begins and holds, once the build has a record, two transaction ids of ZooKeeper: that of the folder in which the
// image's builds are recorded (which is never deleted) and that of the record itself. A record that is missing was
// deleted if the folder is still the same one and has changed since; in an empty, foreign or older ZooKeeper it is
// not the same one, or has not, and the files stay.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, messageOf } from "../../lib/std/errors.ts";
import { buildName, type LocalBuild } from "./plan.ts";

const MARKER = ".nodepool.json";
/** Of a marker that is being written. */
const UNWRITTEN = `${MARKER}.new`;
const CHECKSUMS = ["md5", "sha256"] as const;

/** What a marker says. */
export interface Marker {
  readonly image: string;
  readonly build: string;
  /** The W3C traceparent that the build belongs to, or null. */
  readonly traceparent: string | null;
  /** The folder of the build's temporary files, on this host; null when it had none. */
  readonly workspace: string | null;
  /** Null until the build has a record. */
  readonly anchor: Anchor | null;
}

/** Where the record of a build was made: transaction ids of ZooKeeper, as decimal strings. */
export interface Anchor {
  /** Of the creation of the folder of the image's builds. */
  readonly folder: string;
  /** Of the creation of the record. */
  readonly record: string;
}

export interface Checksums {
  readonly md5: string;
  readonly sha256: string;
}

interface Known {
  readonly marker: Marker;
  formats: ReadonlySet<string>;
  standing: LocalBuild["standing"];
}

/** The builds whose files are ours, in one images-dir. */
export class ImageFiles {
  readonly folder: string;
  readonly #known = new Map<string, Known>();
  /** Of each scan under way: what has changed since it began, and is not as it has read it. */
  readonly #scans = new Set<Set<string>>();

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Reads the folder anew. Markers that cannot be read are reported and their files left alone. */
  async scan(report: (problem: string) => void): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const changed = new Set<string>();
    this.#scans.add(changed);
    try {
      const found = await this.#read(report);
      for (const stem of this.#known.keys()) {
        if (!found.has(stem) && !changed.has(stem)) this.#known.delete(stem);
      }
      for (const [stem, { marker, formats }] of found) {
        if (changed.has(stem)) continue;
        const standing = this.#known.get(stem)?.standing ?? "unknown";
        this.#known.set(stem, { marker, formats, standing });
      }
    } finally {
      this.#scans.delete(changed);
    }
  }

  async #read(report: (problem: string) => void): Promise<Map<string, Omit<Known, "standing">>> {
    const names = await readdir(this.folder);
    const found = new Map<string, Omit<Known, "standing">>();
    for (const name of names.filter((candidate) => candidate.endsWith(MARKER))) {
      const path = join(this.folder, name);
      try {
        const marker = parseMarker(await readFile(path, "utf8"));
        const stem = buildName(marker.image, marker.build);
        if (stem + MARKER !== name) throw new Error("it is named for another build");
        found.set(stem, { marker, formats: formatsAmong(stem, names) });
      } catch (error) {
        // A build that was deleted meanwhile.
        if (codeOf(error) === "ENOENT") continue;
        report(`cannot use ${path}: ${messageOf(error)}; its files are left alone`);
      }
    }
    return found;
  }

  /** Removes what a process that was killed has left of a marker, where it was to be a build's first: nothing was built. */
  async removeUnwritten(): Promise<void> {
    const names = new Set(await readdir(this.folder));
    for (const name of names) {
      const isLeft = name.endsWith(UNWRITTEN) && !names.has(name.slice(0, -UNWRITTEN.length) + MARKER);
      if (isLeft) await rm(join(this.folder, name), { force: true });
    }
  }

  /** The scans under way have read what was before. */
  #noteChange(stem: string): void {
    for (const changed of this.#scans) changed.add(stem);
  }

  /** What decisions need to know. */
  facts(): Map<string, LocalBuild> {
    return new Map(
      Array.from(this.#known, ([stem, { marker, formats, standing }]) => {
        return [stem, { image: marker.image, build: marker.build, formats, standing }];
      }),
    );
  }

  /** What every marker says. */
  markers(): Marker[] {
    return Array.from(this.#known.values(), ({ marker }) => marker);
  }

  marker(image: string, build: string): Marker | undefined {
    return this.#known.get(buildName(image, build))?.marker;
  }

  /** The file of one format. */
  path(image: string, build: string, format: string): string {
    return `${this.stem(image, build)}.${format}`;
  }

  /** The files' common path, without an extension: what the build command gets as its output. */
  stem(image: string, build: string): string {
    return join(this.folder, buildName(image, build));
  }

  /** Declares a build's files as ours. @throws {Error} naming the folder when it cannot be written */
  async mark(marker: Marker): Promise<void> {
    const stem = this.stem(marker.image, marker.build);
    const temporary = stem + UNWRITTEN;
    try {
      await mkdir(this.folder, { recursive: true });
      await writeFile(temporary, `${JSON.stringify(marker)}\n`);
      await rename(temporary, stem + MARKER);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      throw new Error(`cannot write into images-dir ${this.folder}: ${messageOf(error)}`, { cause: error });
    }
    const name = buildName(marker.image, marker.build);
    this.#noteChange(name);
    const formats = this.#known.get(name)?.formats ?? new Set();
    this.#known.set(name, { marker, formats, standing: "unknown" });
  }

  /** Looks which of a build's image files are there. */
  async refresh(image: string, build: string): Promise<ReadonlySet<string>> {
    const name = buildName(image, build);
    const formats = formatsAmong(name, await readdir(this.folder));
    this.#noteChange(name);
    const known = this.#known.get(name);
    if (known !== undefined) known.formats = formats;
    return formats;
  }

  /** Notes what ZooKeeper says of a build that has no record. */
  judge(image: string, build: string, standing: LocalBuild["standing"]): void {
    const known = this.#known.get(buildName(image, build));
    if (known !== undefined) known.standing = standing;
  }

  /** Has every verdict of {@link judge} found again. */
  forgetJudgements(): void {
    for (const known of this.#known.values()) known.standing = "unknown";
  }

  /** Deletes these formats of one of our builds, or everything that belongs to it. Repeatable. */
  async remove(image: string, build: string, formats: readonly string[] | null): Promise<void> {
    const name = buildName(image, build);
    const known = this.#known.get(name);
    if (known === undefined) return;
    const stem = this.stem(image, build);
    if (formats !== null) {
      const suffixes = ["", ...CHECKSUMS.map((kind) => `.${kind}`)];
      for (const format of formats) {
        for (const suffix of suffixes) await rm(`${stem}.${format}${suffix}`, { force: true });
      }
      await this.refresh(image, build);
      return;
    }
    // Also what the build command had not finished, as `.qcow2-new`, and what is written meanwhile: who writes checksums
    // looks afterwards whether their image is still there, so whoever has removed it looks for checksums once more.
    for (let left = await this.#besideMarker(name); left.length > 0; left = await this.#besideMarker(name)) {
      for (const file of left) await rm(join(this.folder, file), { force: true, recursive: true });
    }
    // Last, for without it nobody would go on with this.
    await rm(stem + MARKER, { force: true });
    this.#noteChange(name);
    this.#known.delete(name);
  }

  /** The names of a build's files, but for its marker. */
  async #besideMarker(name: string): Promise<string[]> {
    const names = await readdir(this.folder);
    return names.filter((file) => file.startsWith(`${name}.`) && file !== name + MARKER);
  }

  /** The checksums of a build's file: those beside it, else computed and written beside it. */
  async checksums(image: string, build: string, format: string): Promise<Checksums> {
    const path = this.path(image, build, format);
    const [md5, sha256] = await Promise.all([
      readChecksum(`${path}.md5`, 32),
      readChecksum(`${path}.sha256`, 64),
    ]);
    if (md5 !== null && sha256 !== null) return { md5, sha256 };
    const computed = await computeChecksums(path);
    for (const kind of CHECKSUMS) await writeFile(`${path}.${kind}`, `${computed[kind]}  ${path}\n`);
    // Somebody may have deleted the build meanwhile, and looks for its files no more.
    await stat(path).catch(async (error: unknown) => {
      for (const kind of CHECKSUMS) await rm(`${path}.${kind}`, { force: true });
      throw error;
    });
    return computed;
  }
}

function formatsAmong(stem: string, names: readonly string[]): Set<string> {
  const prefix = `${stem}.`;
  const extensions = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  return new Set(extensions.filter((extension) => /^\w+$/.test(extension) && extension !== "d"));
}

function parseMarker(text: string): Marker {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new Error("it is no JSON object");
  const { image, build, traceparent, workspace, anchor } = value as Record<string, unknown>;
  if (typeof image !== "string" || typeof build !== "string") throw new Error("it names no image and build");
  return {
    image,
    build,
    traceparent: typeof traceparent === "string" ? traceparent : null,
    workspace: typeof workspace === "string" && workspace.endsWith(`/nodepool-${build}`) ? workspace : null,
    anchor: parseAnchor(anchor),
  };
}

function parseAnchor(value: unknown): Anchor | null {
  if (value === null) return null;
  const { folder, record } = (value ?? {}) as Record<string, unknown>;
  const isNumber = (text: unknown): text is string => typeof text === "string" && /^-?\d{1,20}$/.test(text);
  if (!isNumber(folder) || !isNumber(record)) throw new Error("its anchor cannot be read");
  return { folder, record };
}

async function readChecksum(path: string, digits: number): Promise<string | null> {
  try {
    const text = (await readFile(path, "utf8")).slice(0, digits);
    return text.length === digits && /^[0-9a-f]+$/.test(text) ? text : null;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
}

/** The checksums of a file, read once in pieces. */
export async function computeChecksums(path: string): Promise<Checksums> {
  const md5 = createHash("md5");
  const sha256 = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    md5.update(chunk);
    sha256.update(chunk);
  }
  return { md5: md5.digest("hex"), sha256: sha256.digest("hex") };
}

/** How much room a folder's disk has, as `37 MiB`; `unknown` when it cannot be told. */
export async function freeSpace(folder: string): Promise<string> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return `${Math.floor((Number(bavail) * Number(bsize)) / 2 ** 20)} MiB`;
  } catch {
    return "unknown";
  }
}
