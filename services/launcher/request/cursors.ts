// Goes through the requests that wait, kind by kind, in the order of the queue.
import { compareRequests } from "../../../lib/model/request.ts";
import { SortedList } from "../../../lib/std/sorted_list.ts";
import type { Kind, ReadableRequest } from "./queue.ts";
import type { Kept } from "./room.ts";

/** A kind on its way through a pass. */
export interface Cursor {
  readonly kind: Kind;
  /** Its request whose turn it is. */
  readonly head: ReadableRequest;
  /** Set once the kind has to wait: what nobody takes before this request of it, which has waited long. */
  readonly kept: Kept | null;
}

/** The kinds that are still to be asked for, by their next requests. */
export class Cursors {
  readonly #cursors = new SortedList<Cursor>((left, right) => compareRequests(left.head, right.head));

  constructor(kinds: Iterable<Kind>) {
    for (const kind of kinds) this.#enter(kind, kind.waiting.items[0], null);
  }

  /** Takes out the kind whose request comes first. */
  take(): Cursor | undefined {
    const [first] = this.#cursors.items;
    if (first !== undefined) this.#cursors.remove(first);
    return first;
  }

  /** Goes on with the next request of a kind. */
  goOn({ kind, head }: Cursor): void {
    this.#enter(kind, kind.waiting.items[kind.waiting.countBefore(head, true)], null);
  }

  /** Goes on with the first request of a kind that has waited long, from the present one on. */
  goOnWithAged({ kind, head }: Cursor, kept: Kept): void {
    this.#enter(kind, kind.aged.items[kind.aged.countBefore(head)], kept);
  }

  #enter(kind: Kind, head: ReadableRequest | undefined, kept: Kept | null): void {
    if (head !== undefined) this.#cursors.add({ kind, head, kept });
  }
}
