import { answerInOutage, followOutage, STREAM_PATIENCE_MS } from "../../../lib/daemon/outage.ts";
import { requestPath } from "../../../lib/model/paths.ts";
import type { WatchRequestRequest, WatchRequestResponse } from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import { abortable } from "../../../lib/std/abortable.ts";
import { EventQueue } from "../../../lib/std/event_queue.ts";
import { settle } from "../../../lib/zookeeper/settle.ts";
import type { RequestEntry } from "../../../lib/zookeeper/view.ts";
import { keepLease, thirdOfLease } from "./keep_lease.ts";
import { isUnderWay, nodeEntriesOf, nodesOf, reasonOf, toRequest } from "./request_message.ts";
import { findRequest, type Shared } from "./shared.ts";

const BOOKMARK_MS = 30_000;

/** What becomes of a request is told at once; how it gets there, so often at most: it may take three steps in a moment. */
const PROGRESS_MS = 100;

type Wake = "changed" | "bookmark";

/**
 * The request with its nodes, now and at each change, until it is gone; the open stream keeps its lease alive.
 *
 * @throws UNAVAILABLE when it cannot: another launcher may
 */
export async function* watchRequest(
  shared: Shared,
  request: WatchRequestRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchRequestResponse, void, void> {
  const { view } = shared.environment.context;
  const { id } = await answerInOutage(shared.environment, () => findRequest(shared, request.name));
  const wakes = new Wakes(shared, id);
  // Where others have a connection they end the lease in time: before that its holder has to be told.
  const outage = followOutage(
    shared.environment,
    Math.min(STREAM_PATIENCE_MS, thirdOfLease(shared.environment, id)),
    signal,
  );
  outage.signal.addEventListener("abort", wakes.close, { once: true });
  let last = "";
  try {
    for await (const wake of wakes.queue) {
      wakes.noteTaken(wake);
      if (outage.signal.aborted) break;
      if (wake === "bookmark") yield { event: { $case: "bookmark", value: { synced: false } } };
      if (wake !== "changed" || (isUnderWay(view.request(id)) && wakes.isTooSoon())) continue;
      // Who hears that it is fulfilled has to find its nodes as they were handed over.
      if (view.isPending(requestPath(id))) {
        await abortable(
          settle(view, () => [requestPath(id)]),
          outage.signal,
        );
      }
      const entry = view.request(id);
      if (entry === undefined) return;
      wakes.noteTold();
      const print = fingerprint(shared, entry);
      if (print === last) continue;
      last = print;
      const status = { request: toRequest(shared, entry), nodes: nodesOf(shared, entry) };
      yield { event: { $case: "status", value: status } };
    }
    if (!signal.aborted) outage.signal.throwIfAborted();
  } finally {
    outage.stop();
    wakes.close();
  }
}

// What of a request may change, and whether its nodes have. The lease moves on with every renewal; that alone is no news.
function fingerprint(shared: Shared, entry: RequestEntry): string {
  const { record, problem } = entry;
  if (record === null) return problem ?? "";
  const { state, stateTime, relativePriority, declinedBy } = record;
  const nodes = nodeEntriesOf(shared, entry).map(
    ({ id, version, lock }) => `${id} ${version} ${lock.contenders.length > 0}`,
  );
  const words = [state, stateTime, relativePriority, declinedBy, reasonOf(shared, entry), nodes];
  return words.join("\n");
}

/** Why a watch has to look: changes are merged, so a slow reader gets the latest instead of all. */
class Wakes {
  readonly #shared: Shared;
  readonly queue = new EventQueue<Wake>();
  readonly #stops: (() => void)[] = [];
  #changed = false;
  #isClosed = false;
  /** While this waits, progress is too soon. */
  #cancelPause: (() => void) | undefined;
  #isDue = false;

  constructor(shared: Shared, id: string) {
    this.#shared = shared;
    const { clock } = shared.environment.context;
    this.#stops.push(shared.engine.watchRequest(id, () => this.#change()));
    const bookmark = () => {
      this.queue.push("bookmark");
      cancel = clock.after(BOOKMARK_MS, bookmark);
    };
    let cancel = clock.after(BOOKMARK_MS, bookmark);
    this.#stops.push(() => cancel());
    this.#stops.push(keepLease(shared, id));
    this.#change();
  }

  close = (): void => {
    this.#isClosed = true;
    for (const stop of this.#stops) stop();
    this.#cancelPause?.();
    this.queue.close();
  };

  /** Something is told now: progress comes a while later. */
  noteTold(): void {
    if (this.#isClosed) return;
    this.#cancelPause?.();
    this.#cancelPause = this.#shared.environment.context.clock.after(PROGRESS_MS, () => {
      this.#cancelPause = undefined;
      if (this.#isDue) this.#change();
      this.#isDue = false;
    });
  }

  /** Whether something was told just now; then there will be another wake. */
  isTooSoon(): boolean {
    this.#isDue ||= this.#cancelPause !== undefined;
    return this.#cancelPause !== undefined;
  }

  /** From now on a change is another wake. */
  noteTaken(wake: Wake): void {
    if (wake === "changed") this.#changed = false;
  }

  #change(): void {
    if (this.#changed) return;
    this.#changed = this.queue.push("changed");
  }
}
