// Who waits for the view to have caught up.

interface Waiter {
  /** How many events must have been applied. */
  readonly target: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class ViewWaiters {
  readonly #waiters = new Set<Waiter>();

  /** Resolves when so many events have been applied to a view that is current. */
  wait(target: number): Promise<void> {
    return new Promise((resolve, reject) => this.#waiters.add({ target, resolve, reject }));
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
