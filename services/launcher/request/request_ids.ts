// Finds requests by the id that their caller chose, as soon as the view shows them.
import type { View } from "../../../lib/zookeeper/view.ts";
import { ownDataOf } from "./own_data.ts";

export class RequestIds {
  readonly #view: Pick<View, "request">;
  /** More than one only until whoever has made the younger one takes it back. */
  readonly #byCaller = new Map<string, readonly string[]>();
  readonly #callerOf = new Map<string, string>();

  constructor(view: Pick<View, "request" | "requests">) {
    this.#view = view;
    for (const { id } of view.requests()) this.update(id);
  }

  /** Takes a request as the view shows it now. */
  update(id: string): void {
    const record = this.#view.request(id)?.record;
    const caller = record ? ownDataOf(record).requestId : null;
    const before = this.#callerOf.get(id) ?? null;
    if (before === caller) return;
    if (before !== null) this.#forget(id, before);
    if (caller === null) return;
    this.#callerOf.set(id, caller);
    this.#byCaller.set(caller, [...(this.#byCaller.get(caller) ?? []), id]);
  }

  #forget(id: string, caller: string): void {
    this.#callerOf.delete(id);
    const others = this.#byCaller.get(caller)?.filter((other) => other !== id) ?? [];
    if (others.length === 0) this.#byCaller.delete(caller);
    else this.#byCaller.set(caller, others);
  }

  /** The oldest request that was made with this id. */
  find(caller: string): string | undefined {
    return this.#byCaller.get(caller)?.reduce((oldest, id) => (isOlder(id, oldest) ? id : oldest));
  }
}

/** ZooKeeper numbers all requests in one row, whatever their priority, which is before the number. */
function isOlder(one: string, other: string): boolean {
  return numberOf(one) < numberOf(other);
}

const numberOf = (request: string) => Number(request.slice(request.indexOf("-") + 1));
