/**
 * Background work that belongs to one owner: started here, cancelled together and awaited at the end, so that
 * nothing outlives the owner and no rejection is lost.
 */
export class TaskGroup {
  readonly #controller = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #onError: (error: unknown, name: string) => void;

  /** `onError` hears each task that rejects for another reason than this group's cancellation. */
  constructor(onError: (error: unknown, name: string) => void) {
    this.#onError = onError;
  }

  /** Aborted when the group is closing. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Number of tasks under way. */
  get size(): number {
    return this.#running.size;
  }

  /** Starts a task. Its name appears in the error report only. */
  start(name: string, task: (signal: AbortSignal) => Promise<void>): void {
    if (this.signal.aborted) return;
    const running = this.#run(name, task).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #run(name: string, task: (signal: AbortSignal) => Promise<void>): Promise<void> {
    // Whoever starts a task goes on first.
    await null;
    try {
      await task(this.signal);
    } catch (error) {
      if (!this.signal.aborted) this.#onError(error, name);
    }
  }

  /** Resolves when no task is under way; new tasks may still be started. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }

  /** Cancels every task and resolves when all have ended. */
  async close(reason: unknown = new Error("shutting down")): Promise<void> {
    this.#controller.abort(reason);
    await this.settle();
  }
}
