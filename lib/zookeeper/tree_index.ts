// The copy of the tree in memory: takes znodes one by one, offers typed entries. No I/O, and it does not wait.
import { decodeComponent, decodePool } from "../model/component.ts";
import { decodeNode } from "../model/node.ts";
import {
  nodeLockPath,
  orderContenders,
  type PathMeaning,
  REQUEST_LOCKS,
  requestLockPath,
} from "../model/paths.ts";
import { decodeRequest } from "../model/request.ts";
import { readEntry, type Znode } from "./entry.ts";
import { ImageIndex } from "./image_index.ts";
import { placeOf } from "./tree_paths.ts";
import type {
  ComponentEntry,
  ImageEntry,
  LockView,
  NodeEntry,
  PoolEntry,
  RequestEntry,
  ViewChange,
} from "./view.ts";

const NO_LOCK: LockView = { exists: false, contenders: [] };

export class TreeIndex {
  /** Every path that exists, with the transaction that last wrote it; null where the data does not matter. */
  readonly #paths = new Map<string, bigint | null>();
  readonly #locks = new Map<string, LockView>();
  readonly #requestLockTimes = new Map<string, number>();
  readonly #images = new Map<string, ImageIndex>();
  readonly #claimMarks = new Map<string, Set<string>>();
  readonly nodes = new Map<string, NodeEntry>();
  readonly requests = new Map<string, RequestEntry>();
  readonly pools = new Map<string, PoolEntry>();
  readonly components = new Map<string, ComponentEntry>();
  readonly #onProblem: (problem: string) => void;

  /** `onProblem` hears once of each version of a document that cannot be understood. */
  constructor(onProblem: (problem: string) => void) {
    this.#onProblem = onProblem;
  }

  /** How many paths there are. */
  get size(): number {
    return this.#paths.size;
  }

  paths(): Iterable<string> {
    return this.#paths.keys();
  }

  image(name: string): ImageEntry | undefined {
    return this.#images.get(name)?.entry;
  }

  *images(): Iterable<ImageEntry> {
    for (const image of this.#images.values()) yield image.entry;
  }

  claimMarks(scope: string): readonly string[] {
    return [...(this.#claimMarks.get(scope) ?? [])];
  }

  *orphanedRequestLocks(): Iterable<{ request: string; modifiedAt: number }> {
    for (const [request, modifiedAt] of this.#requestLockTimes) {
      if (!this.requests.has(request)) yield { request, modifiedAt };
    }
  }

  /** Takes what a path holds now: a znode that was read, null where existence is enough. Returns who has changed. */
  put(path: string, znode: Znode | null): ViewChange | undefined {
    const written = znode?.stat.mzxid ?? null;
    if (this.#paths.get(path) === written) return undefined;
    this.#paths.set(path, written);
    this.#apply(path, znode, true);
    return placeOf(path).owner;
  }

  /** Whether what is shown of a path was written later. */
  showsNewer(path: string, { stat }: Znode): boolean {
    const shown = this.#paths.get(path);
    return typeof shown === "bigint" && shown > stat.mzxid;
  }

  /** A path does not exist any more. Returns who has changed. */
  remove(path: string): ViewChange | undefined {
    if (!this.#paths.delete(path)) return undefined;
    this.#apply(path, null, false);
    return placeOf(path).owner;
  }

  #apply(path: string, znode: Znode | null, exists: boolean): void {
    const { lockRoot, meaning } = placeOf(path);
    if (lockRoot !== undefined) this.#applyLock(lockRoot, path, znode, exists);
    else this.#applyDocument(meaning, path, exists ? znode : null, exists);
  }

  #applyLock(root: string, path: string, znode: Znode | null, exists: boolean): void {
    const before = this.#locks.get(root) ?? NO_LOCK;
    const name = path.slice(root.length + 1);
    const lock: LockView =
      path === root
        ? { exists, contenders: exists ? before.contenders : [] }
        : { exists: before.exists || exists, contenders: contendersWith(before.contenders, name, exists) };
    if (lock.exists) this.#locks.set(root, lock);
    else this.#locks.delete(root);
    if (root.startsWith(`${REQUEST_LOCKS}/`)) this.#noteRequestLock(root, path, znode, exists);
    this.#attachLock(root, lock);
  }

  #noteRequestLock(root: string, path: string, znode: Znode | null, exists: boolean): void {
    if (path !== root) return;
    const request = root.slice(REQUEST_LOCKS.length + 1);
    if (exists && znode !== null) this.#requestLockTimes.set(request, znode.stat.mtime / 1000);
    else this.#requestLockTimes.delete(request);
  }

  /** Puts a lock into the entry that it belongs to. */
  #attachLock(root: string, lock: LockView): void {
    const { owner } = placeOf(root);
    if (owner?.kind === "node") {
      const entry = this.nodes.get(owner.id);
      if (entry !== undefined) this.nodes.set(owner.id, { ...entry, lock });
      return;
    }
    if (owner?.kind === "request") {
      const entry = this.requests.get(owner.id);
      if (entry !== undefined) this.requests.set(owner.id, { ...entry, lock });
      return;
    }
    const [, , , first = "", second, build = "", , provider] = root.split("/");
    if (second === "builds" && build === "lock") {
      this.#existingImage(first, lock.exists)?.setLock(lock);
    } else if (provider !== undefined && root.endsWith(`/providers/${provider}/images/lock`)) {
      this.#existingImage(first, lock.exists)?.setUploading(build, provider, lock.contenders.length > 0);
    }
  }

  #applyDocument(meaning: PathMeaning, path: string, znode: Znode | null, exists: boolean): void {
    switch (meaning.kind) {
      case "node": {
        const { node: id } = meaning;
        const lock = this.#locks.get(nodeLockPath(id)) ?? NO_LOCK;
        this.#store(this.nodes, id, znode && { id, lock, ...readEntry(decodeNode, path, znode) });
        return;
      }
      case "request": {
        const { request: id } = meaning;
        const lock = this.#locks.get(requestLockPath(id)) ?? NO_LOCK;
        this.#store(this.requests, id, znode && { id, lock, ...readEntry(decodeRequest, path, znode) });
        return;
      }
      case "component":
        this.#applyComponent(meaning.component, meaning.id, path, znode);
        return;
      case "claim-mark": {
        const marks = this.#claimMarks.get(meaning.scope) ?? new Set();
        if (exists) marks.add(meaning.mark);
        else marks.delete(meaning.mark);
        if (marks.size > 0) this.#claimMarks.set(meaning.scope, marks);
        else this.#claimMarks.delete(meaning.scope);
        return;
      }
      case "image":
        if (exists) this.#image(meaning.image);
        else this.#images.delete(meaning.image);
        return;
      case "image-pause":
        this.#existingImage(meaning.image, exists)?.setPaused(exists);
        return;
      case "build-request":
        this.#existingImage(meaning.image, exists)?.setBuildRequest(znode);
        return;
      case "build":
        this.#report(this.#existingImage(meaning.image, exists)?.setBuild(meaning.build, znode));
        return;
      case "upload": {
        const { image, build, provider, upload } = meaning;
        this.#report(this.#existingImage(image, exists)?.setUpload(build, provider, upload, znode));
        return;
      }
      default:
        return;
    }
  }

  #applyComponent(kind: string, id: string, path: string, znode: Znode | null): void {
    if (kind === "pool") {
      this.#store(this.pools, id, znode && { znode: id, ...readEntry(decodePool, path, znode) });
    } else if (kind === "builder" || kind === "launcher") {
      const component: ComponentEntry["component"] = kind;
      const entry = znode && { znode: id, component, ...readEntry(decodeComponent, path, znode) };
      this.#store(this.components, `${kind}/${id}`, entry);
    }
  }

  #store<T extends { problem: string | null }>(entries: Map<string, T>, key: string, entry: T | null): void {
    if (entry === null) {
      entries.delete(key);
      return;
    }
    entries.set(key, entry);
    this.#report(entry.problem);
  }

  #report(problem: string | null | undefined): void {
    if (problem) this.#onProblem(problem);
  }

  #image(name: string): ImageIndex {
    const image = this.#images.get(name) ?? new ImageIndex(name);
    this.#images.set(name, image);
    return image;
  }

  /** What is below a deleted image is deleted before it: a late deletion must not bring it back. */
  #existingImage(name: string, exists: boolean): ImageIndex | undefined {
    return exists ? this.#image(name) : this.#images.get(name);
  }
}

/** Those who stand in line when one has come or gone. */
function contendersWith(before: readonly string[], name: string, exists: boolean): readonly string[] {
  const others = before.filter((contender) => contender !== name);
  if (!exists) return others;
  return others.length === 0 ? [name] : orderContenders([...others, name]);
}
