// One image's builds, uploads and marks, and the entry made of them.
import { decodeBuild, decodeUpload } from "../model/image.ts";
import { buildPath, uploadPath } from "../model/paths.ts";
import { type Read, readEntry, type Znode } from "./entry.ts";
import type { BuildEntry, ImageEntry, LockView, UploadEntry } from "./view.ts";

interface Build {
  entry: Read<typeof decodeBuild> | undefined;
  readonly uploads: Map<string, UploadEntry>;
  /** Providers with somebody in line for the upload lock. */
  readonly uploading: Set<string>;
}

/** Everything below /nodepool/images/<image>. */
export class ImageIndex {
  readonly #image: string;
  readonly #builds = new Map<string, Build>();
  #paused = false;
  #buildRequest: ImageEntry["buildRequest"] = null;
  #lock: LockView = { exists: false, contenders: [] };
  #entry: ImageEntry | undefined;

  constructor(image: string) {
    this.#image = image;
  }

  /** Made when it is asked for, and kept until something changes. */
  get entry(): ImageEntry {
    this.#entry ??= {
      image: this.#image,
      paused: this.#paused,
      buildRequest: this.#buildRequest,
      builds: [...this.#builds].sort(byKey).flatMap(([build, parts]) => this.#buildEntry(build, parts)),
      lock: this.#lock,
    };
    return this.#entry;
  }

  setPaused(paused: boolean): void {
    this.#paused = paused;
    this.#entry = undefined;
  }

  setBuildRequest(znode: Znode | null): void {
    this.#buildRequest = znode === null ? null : { time: znode.stat.ctime / 1000, data: znode.data };
    this.#entry = undefined;
  }

  setLock(lock: LockView): void {
    this.#lock = lock;
    this.#entry = undefined;
  }

  setBuild(build: string, znode: Znode | null): string | null {
    const parts = this.#build(build);
    parts.entry = znode === null ? undefined : readEntry(decodeBuild, buildPath(this.#image, build), znode);
    const problem = parts.entry?.problem ?? null;
    this.#prune(build, parts);
    return problem;
  }

  setUpload(build: string, provider: string, upload: string, znode: Znode | null): string | null {
    const parts = this.#build(build);
    const key = `${provider}/${upload}`;
    let problem: string | null = null;
    if (znode === null) {
      parts.uploads.delete(key);
    } else {
      const entry = readEntry(decodeUpload, uploadPath(this.#image, build, provider, upload), znode);
      parts.uploads.set(key, { image: this.#image, build, provider, upload, ...entry });
      problem = entry.problem;
    }
    this.#prune(build, parts);
    return problem;
  }

  setUploading(build: string, provider: string, uploading: boolean): void {
    const parts = this.#build(build);
    if (uploading) parts.uploading.add(provider);
    else parts.uploading.delete(provider);
    this.#prune(build, parts);
  }

  #build(build: string): Build {
    this.#entry = undefined;
    const parts = this.#builds.get(build) ?? { entry: undefined, uploads: new Map(), uploading: new Set() };
    this.#builds.set(build, parts);
    return parts;
  }

  #prune(build: string, { entry, uploads, uploading }: Build): void {
    if (entry === undefined && uploads.size === 0 && uploading.size === 0) this.#builds.delete(build);
  }

  #buildEntry(build: string, { entry, uploads, uploading }: Build): BuildEntry[] {
    if (entry === undefined) return [];
    const sorted = [...uploads].sort(byKey).map(([, upload]) => upload);
    return [{ image: this.#image, build, ...entry, uploads: sorted, uploading: new Set(uploading) }];
  }
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
