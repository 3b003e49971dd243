import { abortable } from "./abortable.ts";

/** A call whose answer serves all who ask for it at about the same time. */
export class SharedCall<T> {
  readonly #make: () => Promise<T>;
  #running: Promise<T> | null = null;
  #next: Promise<T> | null = null;

  /** @param make must end when nobody needs it any more: it serves others than who has asked first */
  constructor(make: () => Promise<T>) {
    this.#make = make;
  }

  /** The answer to a call that is begun after this one; all who ask while another is under way share the next one. */
  fresh(signal: AbortSignal): Promise<T> {
    this.#next ??= this.#after(this.#running);
    return abortable(this.#next, signal);
  }

  #after(before: Promise<T> | null): Promise<T> {
    const answer = (async () => {
      await before?.catch(() => undefined);
      this.#running = this.#next;
      this.#next = null;
      return await this.#make();
    })();
    answer.catch(() => undefined);
    return answer;
  }
}
