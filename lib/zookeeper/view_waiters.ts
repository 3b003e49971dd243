// Who waits for the view to have caught up.
import { abortable } from "../std/abortable.ts";

interface Waiter {
  /** How many events must have been applied. */
  readonly target: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class ViewWaiters {
  readonly #waiters = new Set<Waiter>();

  /** How many wait. */
  get size(): number {
    return this.#waiters.size;
  }

  /**
   * Resolves when so many events have been applied to a view that is current.
   * @throws the signal's reason when it is aborted first
   */
  wait(target: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { target, resolve, reject };
    this.#waiters.add(waiter);
    // As it is, where it can be: who waits goes on in the turn in which the events were applied.
    if (signal === undefined) return promise;
    return abortable(promise, signal).finally(() => this.#waiters.delete(waiter));
  }

  /** So many have been. */
  wake(applied: number): void {
    for (const waiter of this.#waiters) {
      if (waiter.target > applied) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  /** There will be no more of them. */
  fail(error: unknown): void {
    for (const { reject } of this.#waiters) reject(error);
    this.#waiters.clear();
  }
}
