// The tree of znodes, with ZooKeeper's rules. Pure: no I/O, no clock; each change is given its zxid and time.

import { nameOf, parentOf } from "../znode_path.ts";
import { isSession } from "./owner.ts";
import { isValidPath, sequence } from "./paths.ts";
import { type ErrorCode, errorCode, type WireStat } from "./wire.ts";
import { newZnode, statOf, type Znode } from "./znode.ts";

/** One step of a transaction. A `version` of -1 fits any. `refused` fails with its code: the request was no good. */
export type Change =
  | {
      readonly kind: "create";
      readonly path: string;
      readonly data: Uint8Array | null;
      readonly ephemeralOwner: bigint;
      readonly sequential: boolean;
    }
  | { readonly kind: "delete"; readonly path: string; readonly version: number }
  | {
      readonly kind: "set";
      readonly path: string;
      readonly data: Uint8Array | null;
      readonly version: number;
    }
  | { readonly kind: "check"; readonly path: string; readonly version: number }
  | { readonly kind: "setAcl"; readonly path: string; readonly version: number }
  | { readonly kind: "refused"; readonly code: ErrorCode };

/** What a step gave: the path (with its sequence number) and the stat after it, where there is one. */
export interface ChangeResult {
  readonly path: string;
  readonly stat: WireStat | null;
}

/** What watches hear. `children`: the set of children has changed. */
export interface TreeEvent {
  readonly kind: "created" | "deleted" | "changed" | "children";
  readonly path: string;
}

/** The outcome of a transaction; `undo` takes a committed one back (the last one first). */
export type Outcome =
  | {
      readonly committed: true;
      readonly results: readonly ChangeResult[];
      readonly events: readonly TreeEvent[];
      undo(): void;
    }
  | { readonly committed: false; readonly index: number; readonly code: ErrorCode };

/** The transaction under way. */
interface Transaction {
  readonly zxid: number;
  readonly time: number;
  readonly events: TreeEvent[];
  readonly undo: (() => void)[];
}

class Refusal extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode) {
    super(String(code));
    this.code = code;
  }
}

const builtIn = ["/zookeeper", "/zookeeper/quota", "/zookeeper/config"];
const undeletable = new Set(["/", ...builtIn]);

export class Tree {
  readonly #nodes = new Map<string, Znode>();
  /** Paths of znodes that do not stay, by their owner. */
  readonly #owned = new Map<bigint, Set<string>>();

  /** A new tree holds what a new ZooKeeper does: the root and `/zookeeper`. */
  constructor() {
    const empty = new Uint8Array(0);
    this.#nodes.set("/", newZnode(empty, 0, 0, 0n));
    for (const path of builtIn) this.#insert(path, newZnode(empty, 0, 0, 0n));
  }

  /** Number of znodes. */
  get size(): number {
    return this.#nodes.size;
  }

  /** Number of ephemerals. */
  get ephemerals(): number {
    let count = 0;
    for (const [owner, paths] of this.#owned) if (isSession(owner)) count += paths.size;
    return count;
  }

  /** Containers and znodes with a time to live. */
  *perishable(): Iterable<[string, Znode]> {
    for (const [owner, paths] of this.#owned) {
      if (isSession(owner)) continue;
      for (const path of paths) {
        const node = this.#nodes.get(path);
        if (node) yield [path, node];
      }
    }
  }

  get(path: string): Znode | undefined {
    return this.#nodes.get(path);
  }

  /** All znodes, each after its parent. */
  entries(): IterableIterator<[string, Znode]> {
    return this.#nodes.entries();
  }

  /** The paths of a session's ephemerals. */
  ephemeralsOf(session: bigint): readonly string[] {
    return [...(this.#owned.get(session) ?? [])];
  }

  /** Puts back a znode from a snapshot; its parent must be there already. */
  restore(path: string, node: Znode): void {
    const present = this.#nodes.get(path);
    if (present) Object.assign(present, node, { children: present.children });
    else this.#insert(path, node);
  }

  /** Commits all steps or none. Steps see what those before them have done. */
  commit(changes: readonly Change[], zxid: number, time: number): Outcome {
    const transaction: Transaction = { zxid, time, events: [], undo: [] };
    const results: ChangeResult[] = [];
    const undo = () => {
      for (const step of transaction.undo.reverse()) step();
    };
    try {
      for (const change of changes) results.push(this.#apply(change, transaction));
    } catch (error) {
      undo();
      if (!(error instanceof Refusal)) throw error;
      return { committed: false, index: results.length, code: error.code };
    }
    return { committed: true, results, events: transaction.events, undo };
  }

  #apply(change: Change, transaction: Transaction): ChangeResult {
    switch (change.kind) {
      case "create":
        return this.#create(change, transaction);
      case "delete":
        return this.#delete(change, transaction);
      case "set":
        return this.#set(change, transaction);
      case "setAcl": {
        const node = this.#existing(change.path);
        const { aversion } = node;
        requireVersion(aversion, change.version);
        transaction.undo.push(() => {
          node.aversion = aversion;
        });
        node.aversion = (aversion + 1) | 0;
        return { path: change.path, stat: statOf(node) };
      }
      case "check":
        requireVersion(this.#existing(change.path).version, change.version);
        return { path: change.path, stat: null };
      case "refused":
        throw new Refusal(change.code);
    }
  }

  #create(change: Change & { kind: "create" }, { zxid, time, events, undo }: Transaction): ChangeResult {
    if (!change.path.includes("/") || change.path.includes("\0")) throw new Refusal(errorCode.badArguments);
    const parentPath = parentOf(change.path);
    const parent = this.#nodes.get(parentPath);
    if (!parent) throw new Refusal(errorCode.noNode);
    const path = change.sequential ? change.path + sequence(parent.childrenCreated) : change.path;
    if (!isValidPath(path)) throw new Refusal(errorCode.badArguments);
    if (this.#nodes.has(path)) throw new Refusal(errorCode.nodeExists);
    if (isSession(parent.ephemeralOwner)) throw new Refusal(errorCode.noChildrenForEphemerals);

    const { childrenCreated, pzxid } = parent;
    undo.push(() => {
      this.#remove(path);
      Object.assign(parent, { childrenCreated, pzxid });
    });
    const node = newZnode(change.data, zxid, time, change.ephemeralOwner);
    this.#insert(path, node);
    parent.childrenCreated = (childrenCreated + 1) | 0;
    parent.pzxid = zxid;
    events.push({ kind: "created", path }, { kind: "children", path: parentPath });
    return { path, stat: statOf(node) };
  }

  #delete(change: Change & { kind: "delete" }, { zxid, events, undo }: Transaction): ChangeResult {
    const { path } = change;
    if (!path.includes("/") || path.includes("\0") || undeletable.has(path)) {
      throw new Refusal(errorCode.badArguments);
    }
    const parentPath = parentOf(path);
    const parent = this.#nodes.get(parentPath);
    const node = this.#nodes.get(path);
    if (!parent || !node) throw new Refusal(errorCode.noNode);
    requireVersion(node.version, change.version);
    if (node.children !== null && node.children.size > 0) throw new Refusal(errorCode.notEmpty);

    const { pzxid } = parent;
    undo.push(() => {
      this.#insert(path, node);
      parent.pzxid = pzxid;
    });
    this.#remove(path);
    parent.pzxid = zxid;
    events.push({ kind: "deleted", path }, { kind: "children", path: parentPath });
    return { path, stat: null };
  }

  #set(change: Change & { kind: "set" }, { zxid, time, events, undo }: Transaction): ChangeResult {
    const node = this.#existing(change.path);
    const { data, version, mzxid, mtime } = node;
    requireVersion(version, change.version);
    undo.push(() => Object.assign(node, { data, version, mzxid, mtime }));
    Object.assign(node, { data: change.data, version: (version + 1) | 0, mzxid: zxid, mtime: time });
    events.push({ kind: "changed", path: change.path });
    return { path: change.path, stat: statOf(node) };
  }

  #existing(path: string): Znode {
    if (!isValidPath(path)) throw new Refusal(errorCode.badArguments);
    const node = this.#nodes.get(path);
    if (!node) throw new Refusal(errorCode.noNode);
    return node;
  }

  #insert(path: string, node: Znode): void {
    const parent = this.#nodes.get(parentOf(path));
    if (!parent) throw new Error(`the parent of ${path} is missing`);
    parent.children ??= new Set();
    parent.children.add(nameOf(path));
    this.#nodes.set(path, node);
    if (node.ephemeralOwner === 0n) return;
    const owned = this.#owned.get(node.ephemeralOwner);
    if (owned) owned.add(path);
    else this.#owned.set(node.ephemeralOwner, new Set([path]));
  }

  #remove(path: string): void {
    const node = this.#nodes.get(path);
    if (!node) return;
    this.#nodes.delete(path);
    this.#nodes.get(parentOf(path))?.children?.delete(nameOf(path));
    const owned = this.#owned.get(node.ephemeralOwner);
    if (owned?.delete(path) && owned.size === 0) this.#owned.delete(node.ephemeralOwner);
  }
}

function requireVersion(present: number, wanted: number): void {
  if (wanted !== -1 && wanted !== present) throw new Refusal(errorCode.badVersion);
}
