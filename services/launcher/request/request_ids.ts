// Finds requests by the id that their caller chose, as soon as the view shows them.
import type { View } from "../../../lib/zookeeper/view.ts";
import { ownDataOf } from "./own_data.ts";

export class RequestIds {
  readonly #view: Pick<View, "request">;
  readonly #byCaller = new Map<string, string>();
  readonly #callerOf = new Map<string, string>();

  constructor(view: Pick<View, "request" | "requests">) {
    this.#view = view;
    for (const { id } of view.requests()) this.update(id);
  }

  /** Takes a request as the view shows it now. */
  update(id: string): void {
    const record = this.#view.request(id)?.record;
    const caller = record ? ownDataOf(record).requestId : null;
    const before = this.#callerOf.get(id);
    if (before !== undefined && before !== caller) {
      this.#callerOf.delete(id);
      this.#byCaller.delete(before);
    }
    if (caller === null) return;
    this.#callerOf.set(id, caller);
    this.#byCaller.set(caller, id);
  }

  /** The request that was made with this id. */
  find(caller: string): string | undefined {
    return this.#byCaller.get(caller);
  }
}
