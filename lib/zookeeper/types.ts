// The seam between Nodepool and ZooKeeper: what a session can do, in words that name no client library.

/** A znode's metadata. Times are milliseconds since the epoch, set by the server. */
export interface Stat {
  readonly czxid: bigint;
  readonly mzxid: bigint;
  readonly pzxid: bigint;
  readonly ctime: number;
  readonly mtime: number;
  readonly version: number;
  readonly cversion: number;
  readonly aversion: number;
  /** The session that an ephemeral znode belongs to; 0n for a persistent one. */
  readonly ephemeralOwner: bigint;
  readonly dataLength: number;
  readonly numChildren: number;
}

export type CreateMode = "persistent" | "persistent-sequential" | "ephemeral" | "ephemeral-sequential";

/**
 * What else a znode may be made as: `persistent`; `container`, which the server deletes some time after its last child
 * has gone; or with a time to live in milliseconds, after which the server deletes it if it has not been changed and
 * has no children (needs `extendedTypesEnabled` at the server).
 */
export type WideCreateMode =
  | CreateMode
  | "container"
  | { readonly ttlMs: number; readonly isSequential?: boolean };

/** One step of a transaction. A `version` of -1 fits any version. */
export type Operation =
  | { readonly kind: "create"; readonly path: string; readonly data: Uint8Array; readonly mode: CreateMode }
  | { readonly kind: "set"; readonly path: string; readonly data: Uint8Array; readonly version: number }
  | { readonly kind: "delete"; readonly path: string; readonly version: number }
  | { readonly kind: "check"; readonly path: string; readonly version: number };

/** What a step of a committed transaction gave: the created path, or the new stat. */
export type OperationResult =
  | { readonly kind: "create"; readonly path: string }
  | { readonly kind: "set"; readonly stat: Stat }
  | { readonly kind: "delete" }
  | { readonly kind: "check" };

/**
 * - `connecting`: no connection yet, or a new session is being made after the last one was lost.
 * - `connected`: calls are answered.
 * - `suspended`: the connection is gone, the session may still live. Nothing may be taken for granted.
 * - `lost`: the session has ended; its locks and ephemerals are gone. A new one starts by itself.
 * - `closed`: closed by us.
 */
export type SessionState = "connecting" | "connected" | "suspended" | "lost" | "closed";

/** A change of a znode, as a persistent recursive watch reports it. */
export interface WatchEvent {
  readonly kind: "created" | "changed" | "deleted";
  readonly path: string;
}

/** What a write has left in a znode. */
export interface Written {
  readonly data: Uint8Array;
  readonly stat: Pick<Stat, "mzxid" | "mtime" | "ctime" | "version">;
}

/** What a write has left, by path. */
export type WrittenPaths = ReadonlyMap<string, Written>;

/** A ZooKeeper session that renews itself. All paths are absolute and relative to the chroot. */
export interface Session {
  readonly state: SessionState;
  /** The id of the present session; 0n before there is one. */
  readonly sessionId: bigint;
  /** Aborted when the present session is lost or closed: work done under its locks must stop. */
  readonly signal: AbortSignal;
  /** Hears each change of state; returns the function that stops it. */
  onState(listener: (state: SessionState) => void): () => void;
  /** Resolves when connected. @throws the signal's reason, or {@link ZooKeeperError} `CLOSED`. */
  connected(signal?: AbortSignal): Promise<void>;

  /**
   * Creates a znode and returns its path (with the sequence number, if any). Parents must exist.
   * @throws {ZooKeeperError} `BAD_ARGUMENTS` for a time to live that is not above 0, `UNIMPLEMENTED` where the server
   * takes none
   */
  create(path: string, data: Uint8Array, mode: WideCreateMode): Promise<string>;
  /** Creates a persistent, empty znode and all its missing parents; no error when they exist. */
  ensurePath(path: string): Promise<void>;
  get(path: string): Promise<{ data: Uint8Array; stat: Stat }>;
  exists(path: string): Promise<Stat | null>;
  children(path: string): Promise<string[]>;
  set(path: string, data: Uint8Array, version: number): Promise<Stat>;
  /** Deletes a znode. @throws {ZooKeeperError} `NO_NODE`, `NOT_EMPTY`, `BAD_VERSION` */
  delete(path: string, version: number): Promise<void>;
  /** Deletes a znode and everything below it; no error when it does not exist. */
  deleteRecursive(path: string): Promise<void>;
  /** Commits all or nothing. @throws {TransactionError} naming the step that failed */
  multi(operations: readonly Operation[]): Promise<OperationResult[]>;
  /**
   * Asked in the turn in which a watch tells that a znode was created or changed: what the write of this session that
   * is answered next leaves. Undefined, or nothing for the path, when the change may be anybody's: then read.
   */
  written(path: string): Promise<WrittenPaths> | undefined;
  /** Waits until this server has seen every write that was committed before. */
  sync(path: string): Promise<void>;
  /** Resolves when the znode is gone (at once if it does not exist). One watch, no polling. */
  gone(path: string, signal?: AbortSignal): Promise<void>;
  /**
   * Hears every change at and below `path` (ZooKeeper's persistent recursive watch, server 3.6 or newer). The watch
   * is set anew after each reconnection, and `onReset` is called then: changes in between may have been missed, and
   * the listener must read again.
   */
  watchRecursive(
    path: string,
    listener: (event: WatchEvent) => void,
    onReset: () => void,
  ): Promise<() => void>;
  /** Ends the session: its ephemerals go at once. Outstanding calls fail with `CLOSED`. */
  close(): Promise<void>;
}

/** Server error codes by their ZooKeeper names, and those that arise on this side of the wire. */
export type ZooKeeperErrorCode =
  | "NO_NODE"
  | "NODE_EXISTS"
  | "NOT_EMPTY"
  | "BAD_VERSION"
  | "NO_CHILDREN_FOR_EPHEMERALS"
  | "NO_AUTH"
  | "INVALID_ACL"
  | "AUTH_FAILED"
  | "BAD_ARGUMENTS"
  | "UNIMPLEMENTED"
  | "MARSHALLING_ERROR"
  | "RUNTIME_INCONSISTENCY"
  | "SESSION_EXPIRED"
  | "SESSION_MOVED"
  | "THROTTLED"
  /** The server could not do it at the moment, as the embedded one whose disk takes no writes. Nothing was done. */
  | "SYSTEM_ERROR"
  /** The connection broke before the answer came: a write may or may not have been committed. */
  | "CONNECTION_LOSS"
  /** No answer in time. */
  | "OPERATION_TIMEOUT"
  /** The session was closed by us. */
  | "CLOSED"
  /** Any other code; the number is in the message. */
  | "UNKNOWN";

/** A call that ZooKeeper refused or that could not be made. */
export class ZooKeeperError extends Error {
  override name = "ZooKeeperError";
  readonly code: ZooKeeperErrorCode;
  /** The path of the call, if it had one. */
  readonly path: string | undefined;

  constructor(code: ZooKeeperErrorCode, message: string, path?: string) {
    super(path === undefined ? `${code}: ${message}` : `${code}: ${message} (${path})`);
    this.code = code;
    this.path = path;
  }
}

/** A transaction of which nothing was committed. `index` is the step that failed first, `code` its reason. */
export class TransactionError extends ZooKeeperError {
  override name = "TransactionError";
  readonly index: number;

  constructor(code: ZooKeeperErrorCode, index: number, operation: Operation) {
    super(code, `step ${index} (${operation.kind}) of the transaction failed`, operation.path);
    this.index = index;
  }
}

/** Whether an error is a ZooKeeper error with one of these codes. */
export function isZooKeeperError(error: unknown, ...codes: ZooKeeperErrorCode[]): error is ZooKeeperError {
  return error instanceof ZooKeeperError && (codes.length === 0 || codes.includes(error.code));
}

/** Whether an error means that somebody else was faster: look again and decide anew. */
export function isConflict(error: unknown): error is ZooKeeperError {
  return isZooKeeperError(error, "NO_NODE", "NODE_EXISTS", "BAD_VERSION", "NOT_EMPTY");
}

/** Whether the server is there and does not do what it is asked for at the moment: it is to be asked again later. */
export function isPutOff(error: unknown): error is ZooKeeperError {
  return isZooKeeperError(error, "THROTTLED", "SYSTEM_ERROR");
}

/**
 * Whether an error leaves open if the call was done, or will be done when it is made again ({@link isPutOff}): it has to
 * be found out, or repeated where that does no harm.
 */
export function isUncertain(error: unknown): error is ZooKeeperError {
  const isUnanswered = isZooKeeperError(error, "CONNECTION_LOSS", "OPERATION_TIMEOUT", "SESSION_MOVED");
  return isUnanswered || isPutOff(error);
}

/** A lock that we hold (kazoo's lock recipe). */
export interface HeldLock {
  /** The lock root, as /nodepool/nodes/0000000012/lock. */
  readonly root: string;
  /** The full path of our contender. */
  readonly contender: string;
  /** Aborted when the session ends or the lock is released: stop what is done under it. */
  readonly signal: AbortSignal;
  /** A step that fails the transaction unless the lock is still ours. Put it first. */
  guard(): Operation;
  /** A step that gives the lock back; call {@link markReleased} once the transaction has been committed. */
  releaseOperation(): Operation;
  /**
   * Records that our place in the line is gone: by {@link releaseOperation}, by deleting the znode that it locks, or by
   * somebody else's hand, as a refused {@link guard} tells.
   */
  markReleased(): void;
  /** Gives the lock back; repeated until it is certain, so no contender stays behind. */
  release(): Promise<void>;
}

/** How to take a lock. */
export interface LockOptions {
  /** Stored in the contender, for people and for the contender list. @default "" */
  readonly identifier?: string;
  /**
   * Create the parents of the lock root too. Not for nodes: locking a deleted node must not bring an empty one
   * back. @default false: only the root itself is created, and a missing parent means that there is nothing to lock.
   */
  readonly createParents?: boolean;
  /** Give up after this many milliseconds. 0 asks once and does not wait. @default 0 */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/** Takes locks that interoperate with kazoo's. */
export interface Locks {
  /** The lock, or null when somebody else holds it (after `timeout`) or there is nothing to lock. */
  acquire(root: string, options?: LockOptions): Promise<HeldLock | null>;
  /**
   * Steps that create the lock root and our contender in it, for a lock root that does not exist yet (a new node or
   * request): in one transaction with whatever else is to be written.
   */
  prepare(root: string, identifier?: string): PreparedLock;
  /**
   * A step that puts our contender at the head of a line whose head goes in the same transaction: whoever stands behind
   * that goes on waiting, for ours.
   */
  succeed(root: string, identifier?: string): PreparedLock;
}

/** Steps that take a lock. */
export interface PreparedLock {
  readonly operations: readonly Operation[];
  /** Makes the lock out of the results of the transaction that the steps were part of. */
  held(results: readonly OperationResult[]): HeldLock;
  /**
   * For a transaction whose answer was lost ({@link isUncertain}): deletes our contender where it was committed. Repeated
   * until that is certain or the session is gone.
   * @throws {ZooKeeperError} when the server refuses it: the contender may stand in line as long as the session lives
   */
  withdraw(): Promise<void>;
}
