// What a launcher leaves when it is killed or stopped: how long it takes until the last of it is done, and whether its
// launches are gone on with.
import assert from "node:assert/strict";
import type { NodeState } from "../../lib/model/node.ts";
import { ROOT } from "../../lib/model/paths.ts";
import { MIN_READY_REQUESTOR } from "../../lib/model/request.ts";
import { sharerName } from "../../lib/model/shared_node.ts";
import type { FakeCloud } from "../../lib/provider/fake/cloud.ts";
import { catchUp } from "../../lib/zookeeper/settle.ts";
import type { Session } from "../../lib/zookeeper/types.ts";
import {
  isReadable,
  type NodeEntry,
  type Readable,
  type View,
  type ViewChange,
} from "../../lib/zookeeper/view.ts";
import { nodeLeaseOf } from "../../services/launcher/request/own_data.ts";
import { awakeTime } from "./awake_time.ts";
import { until } from "./launcher.ts";

const PATIENCE_MS = 180_000;

/** States of nodes that are on their way out. */
const LEAVING: ReadonlySet<NodeState> = new Set(["used", "deleting", "deleted", "failed", "aborted"]);
/** States of nodes that are on their way to a request, or wait for its others. */
const COMING: ReadonlySet<NodeState> = new Set(["init", "building", "ready"]);

/** Watches over a tree. Its times are those in which this process, which has the launcher that goes on, may run. */
export class CrashWatch {
  readonly #session: Session;
  readonly #view: View;
  /** When the first launcher ended, when a client was served first after that, and when the last interrupted thing was done. */
  #endedAt: number | null = null;
  #servedAt: number | null = null;
  #doneAt = 0;
  /** What was begun and is not done, as "request 200-0000000001". */
  readonly #interrupted = new Set<string>();
  /** The pools of the launcher that ended: its nodes name them. */
  readonly #pools = new Set<string>();
  /** By request, the nodes that were on their way to it. */
  readonly #coming = new Map<string, Set<string>>();
  /** The same of requests that end with their launcher's session. */
  readonly #spare = new Set<string>();
  /** Those of them that were for min-ready, and whose instance was written down. */
  readonly #known = new Set<string>();
  /** Nodes whose launch has come to its end. */
  readonly #launched = new Set<string>();
  /** By request, the nodes that its client got. */
  readonly #given = new Map<string, readonly string[]>();
  #creating = 0;

  constructor(session: Session, view: View) {
    this.#session = session;
    this.#view = view;
    view.subscribe((change) => this.#hear(change));
  }

  /** Says that the launcher has ended or was stopped, and that no other one runs yet. */
  async begin(): Promise<void> {
    const endedAt = awakeTime();
    await catchUp({ session: this.#session, view: this.#view }, ROOT);
    for (const { record } of this.#view.pools()) if (record !== null) this.#pools.add(record.id ?? "");
    for (const { id } of this.#view.requests()) {
      if (this.#isUndecided(id)) this.#interrupted.add(`request ${id}`);
    }
    for (const node of this.#view.nodes()) {
      if (!isReadable(node)) continue;
      if (this.#isLeaving(node)) this.#interrupted.add(`node ${node.id}`);
      this.#noteComing(node);
      this.#noteLaunched(node);
      if (isInCreation(node)) this.#creating += 1;
    }
    this.#endedAt = endedAt;
  }

  /** How many nodes had no instance at the launcher's end, as far as their records say. */
  get creating(): number {
    return this.#creating;
  }

  #isUndecided(request: string): boolean {
    const state = this.#view.request(request)?.record?.state;
    return state === "requested" || state === "pending";
  }

  #isLeaving({ lock, record }: Readable<NodeEntry>): boolean {
    const { state, allocatedTo } = record;
    if (LEAVING.has(state)) return true;
    const isOver = allocatedTo === null || this.#view.request(allocatedTo) === undefined;
    // Zuul takes its request away and keeps the lock. A lease ends with its request, and its lock is left.
    const isLost = lock.contenders.length === 0 || nodeLeaseOf(record) !== null;
    return state === "in-use" && isOver && isLost;
  }

  #noteComing({ id, record }: Readable<NodeEntry>): void {
    const { state, allocatedTo, externalId, requestor } = record;
    if (!COMING.has(state) || allocatedTo === null) return;
    if (requestor === MIN_READY_REQUESTOR || requestor?.startsWith(sharerName(""))) {
      this.#spare.add(id);
      const isKnown = state === "building" && externalId !== null;
      if (isKnown && requestor === MIN_READY_REQUESTOR) this.#known.add(id);
      return;
    }
    const nodes = this.#coming.get(allocatedTo) ?? new Set();
    this.#coming.set(allocatedTo, nodes.add(id));
  }

  // All that there is to know of an instance is written when its launch is over.
  #noteLaunched({ id, record }: Readable<NodeEntry>): void {
    if (record.hostname !== null) this.#launched.add(id);
  }

  #hear({ kind, id }: ViewChange): void {
    if (this.#endedAt === null) return;
    if (kind === "request" && !this.#isUndecided(id)) this.#end(`request ${id}`);
    if (kind !== "node") return;
    const node = this.#view.node(id);
    if (node === undefined) this.#end(`node ${id}`);
    if (!isReadable(node)) return;
    this.#noteLaunched(node);
    // What the launcher had sent may be carried out only after its end.
    if (this.#pools.has(node.record.launcher ?? "")) this.#noteComing(node);
  }

  #end(what: string): void {
    if (this.#interrupted.delete(what)) this.#doneAt = awakeTime();
  }

  /** Says that somebody got what he asked for: the other launcher serves. */
  noteService(): void {
    if (this.#endedAt !== null) this.#servedAt ??= awakeTime();
  }

  /** Says that a request is taken care of, and waits for what its provider has refused: its nodes are of no use to it. */
  noteRefused(request: string): void {
    this.noteService();
    if (this.#endedAt === null) return;
    this.#end(`request ${request}`);
    this.#coming.delete(request);
  }

  /** Says which nodes the client of a request got. */
  noteGiven(request: string, nodes: readonly string[]): void {
    this.noteService();
    this.#given.set(request, nodes);
  }

  /**
   * Waits until the last of what was interrupted is done: each request decided or gone, and each node gone that was on its
   * way out. Checks that this and the first service came within so many milliseconds of the launcher's end.
   */
  async checkRecovery(bound: number): Promise<void> {
    const endedAt = this.#endedAt;
    assert.ok(endedAt !== null, "no launcher has ended");
    const left = () => [...this.#interrupted].join();
    await until("what was interrupted is done", () => left() === "", PATIENCE_MS).catch((error: Error) =>
      assert.fail(`${error.message}: ${left()}`),
    );
    const served = (this.#servedAt ?? endedAt) - endedAt;
    assert.ok(served < bound, `the first service took ${served} ms`);
    const done = this.#doneAt - endedAt;
    assert.ok(done < bound, `the last of what was interrupted was done after ${done} ms`);
  }

  /**
   * Checks that what was launched was not thrown away: a request gets the very nodes that were on their way to it, and
   * min-ready those whose instance was written down.
   */
  checkResumption(): void {
    for (const [request, nodes] of this.#coming) {
      const given = this.#given.get(request);
      if (given === undefined) continue;
      const lost = [...nodes].filter((id) => !given.includes(id));
      assert.deepEqual(lost, [], `request ${request} got ${given}, and not all that were on their way`);
    }
    const lost = [...this.#known].filter((id) => !this.#launched.has(id));
    assert.deepEqual(lost, [], "launches for min-ready were thrown away");
  }

  /**
   * The nodes that were given up with their requests, which ended with the session of the launcher that had asked: for
   * min-ready where no instance was written down, for there may be none; and those beneath others, for whom another
   * launcher asks anew. They are deleted with whatever their provider has of them.
   */
  givenUp(): string[] {
    return [...this.#spare].filter((id) => !this.#launched.has(id));
  }
}

/** Whether it is being created: there is no instance, or its id is not known yet. */
function isInCreation({ record: { state, externalId } }: Readable<NodeEntry>): boolean {
  return state === "building" && externalId === null;
}

/** Checks that a cloud has made so many instances, besides those of nodes that were given up: see {@link CrashWatch.givenUp}. */
export function checkMade({ made }: Pick<FakeCloud, "made">, watch: CrashWatch, count: number): void {
  const givenUp = watch.givenUp().filter((id) => made.includes(`np${id}`));
  assert.equal(made.length - givenUp.length, count, `instances were made for ${made}; given up: ${givenUp}`);
}
