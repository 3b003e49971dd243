/** Thrown out of an {@link EventQueue} whose consumer was too slow: it must start again from a snapshot. */
export class SlowConsumerError extends Error {
  override name = "SlowConsumerError";
}

/**
 * A bounded queue between a synchronous producer and one asynchronous consumer.
 *
 * A producer never waits. A consumer that falls behind by more than `limit` items is dropped with
 * {@link SlowConsumerError} instead of letting memory grow.
 */
export class EventQueue<T> implements AsyncIterable<T> {
  #items: T[] = [];
  #closed = false;
  #error: unknown;
  #wake: (() => void) | undefined;
  readonly #limit: number;

  constructor(limit = 1024) {
    this.#limit = limit;
  }

  /** Adds an item; returns false when the queue has ended and the item was not taken. */
  push(item: T): boolean {
    if (this.#closed) return false;
    if (this.#items.length >= this.#limit) {
      this.fail(new SlowConsumerError(`consumer fell behind by ${this.#limit} events`));
      return false;
    }
    this.#items.push(item);
    this.#wake?.();
    return true;
  }

  /** Ends the queue: items that are already in it are still delivered. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** Ends the queue at once with an error; items that are still in it are dropped. */
  fail(error: unknown): void {
    if (this.#closed) return;
    this.#items = [];
    this.#error = error;
    this.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    try {
      while (true) {
        const item = this.#items.shift();
        if (item !== undefined) {
          yield item;
          continue;
        }
        if (this.#error !== undefined) throw this.#error;
        if (this.#closed) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    } finally {
      this.#closed = true;
      this.#items = [];
    }
  }
}
