// What the services see of the tree: typed, indexed, and kept up by watches. Reading it never goes to ZooKeeper.
import type { ComponentRecord, PoolRecord } from "../model/component.ts";
import type { BuildRecord, UploadRecord } from "../model/image.ts";
import type { NodeRecord } from "../model/node.ts";
import type { RequestRecord } from "../model/request.ts";

/** A znode with a document. Exactly one of `record` and `problem` is set. */
export interface Entry<T> {
  /** The document; null when it cannot be understood. */
  readonly record: T | null;
  /** Why the document cannot be understood, with the path; null when it can. */
  readonly problem: string | null;
  /** The znode's version, for conditional writes. */
  readonly version: number;
  /** When the znode was created and last written, in seconds since the epoch by the server's clock. */
  readonly createdAt: number;
  readonly modifiedAt: number;
}

/** An entry whose document can be understood. */
export type Readable<E extends Entry<unknown>> = E & { readonly record: NonNullable<E["record"]> };

/** Whether there is an entry whose document can be understood. */
export function isReadable<E extends Entry<unknown>>(entry: E | undefined): entry is Readable<E> {
  return entry !== undefined && entry.record !== null;
}

/** A lock root's contenders, first in line first; `exists` tells whether the root is there. */
export interface LockView {
  readonly exists: boolean;
  readonly contenders: readonly string[];
}

export interface NodeEntry extends Entry<NodeRecord> {
  readonly id: string;
  readonly lock: LockView;
}

export interface RequestEntry extends Entry<RequestRecord> {
  readonly id: string;
  readonly lock: LockView;
}

export interface UploadEntry extends Entry<UploadRecord> {
  readonly image: string;
  readonly build: string;
  readonly provider: string;
  readonly upload: string;
}

export interface BuildEntry extends Entry<BuildRecord> {
  readonly image: string;
  readonly build: string;
  readonly uploads: readonly UploadEntry[];
  /** Providers whose upload lock of this build has contenders: somebody is uploading there. */
  readonly uploading: ReadonlySet<string>;
}

export interface ImageEntry {
  readonly image: string;
  readonly paused: boolean;
  /** When a build was asked for (seconds), and what the asker left for us; null when nobody did. */
  readonly buildRequest: { readonly time: number; readonly data: Uint8Array } | null;
  readonly builds: readonly BuildEntry[];
  /** The image's build lock: with a contender, somebody is building. */
  readonly lock: LockView;
}

export interface PoolEntry extends Entry<PoolRecord> {
  /** The znode's name, as host0000000003. */
  readonly znode: string;
}

export interface ComponentEntry extends Entry<ComponentRecord> {
  readonly znode: string;
  readonly component: "builder" | "launcher";
}

/** What has changed. `id` is the node's, the request's or the image's; components have their znode's name. */
export interface ViewChange {
  readonly kind: "node" | "request" | "image" | "component";
  readonly id: string;
}

/** The watched copy of /nodepool. */
export interface View {
  /** False before the first full read and while the connection is gone: what it shows may be old. */
  readonly current: boolean;
  node(id: string): NodeEntry | undefined;
  nodes(): Iterable<NodeEntry>;
  request(id: string): RequestEntry | undefined;
  requests(): Iterable<RequestEntry>;
  image(name: string): ImageEntry | undefined;
  images(): Iterable<ImageEntry>;
  pools(): Iterable<PoolEntry>;
  components(): Iterable<ComponentEntry>;
  /** Lock roots below /nodepool/requests-lock whose request is gone, with the time of their last change (seconds). */
  orphanedRequestLocks(): Iterable<{ readonly request: string; readonly modifiedAt: number }>;
  /** The marks of a scope of claims, by which launchers that race for room notice each other. */
  claimMarks(scope: string): readonly string[];
  /** Hears each change, after the view shows it; also one per entry that a re-read found changed. */
  subscribe(listener: (change: ViewChange) => void): () => void;
  /** Hears when `current` changes. */
  onCurrent(listener: (current: boolean) => void): () => void;
  /**
   * Resolves when everything that the session was told so far is visible: after a write of our own has been
   * answered, the view shows it.
   */
  settled(): Promise<void>;
  /**
   * Whether something has happened to a path that is not shown yet. The path itself may be shown as it is after that,
   * but what else was written by then need not be: who relies on the one for the other waits until it is settled.
   */
  isPending(path: string): boolean;
  /** Resolves when the view is current. */
  ready(signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
