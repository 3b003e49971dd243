// Many timers over one of the runtime's. Each call of a daemon has five to ten, nearly all of which are taken back, and on
// Deno one of the runtime's own costs as much as a small write to a socket.
//
// Invariants:
//   T1. A callback runs at its time or later, never within the call that asks for it, and not at all once it was taken back.
//   T2. What a callback throws goes to the runtime, as if it had a timer of its own; the others run all the same.
//   T3. While nothing is to come there is no timer, so the process may end.
//   T4. A callback runs in the context of whoever asked for it (its span, say), not of whoever started the runtime's timer.
//       So that this costs nothing where nobody keeps a context, `tie` does it.
import { Agenda } from "./agenda.ts";

/** The longest time that the runtime's timers take, in milliseconds (25 days): what is longer ends at once there. */
const LONGEST = 2 ** 31 - 1;

/** The runtime's own timers. */
export interface RuntimeTimers<Timer> {
  /** Milliseconds of a clock that nobody sets. */
  now(): number;
  start(callback: () => void, milliseconds: number): Timer;
  cancel(timer: Timer): void;
}

/** Gives a callback that runs in the context in which this was called. */
export type Tie = (callback: () => void) => () => void;

/** What is shorter is as long with the runtime. */
const SHORTEST = 1;

interface Entry {
  /** Null once it was taken back: what it refers to need not stay until its time. */
  callback: (() => void) | null;
}

/** See the top of this file. */
export class Timers<Timer> {
  readonly #runtime: RuntimeTimers<Timer>;
  readonly #agenda = new Agenda<Entry>();
  /** The runtime's timer, and when it goes off. */
  #timer: { readonly timer: Timer; readonly at: number } | null = null;

  /** See T4. */
  tie: Tie = (callback) => callback;

  constructor(runtime: RuntimeTimers<Timer>) {
    this.#runtime = runtime;
  }

  /** Calls `callback` once after `milliseconds`, never after Infinity; the returned function takes that back. */
  after(milliseconds: number, callback: () => void): () => void {
    const entry: Entry = { callback: this.tie(callback) };
    this.#agenda.set(entry, this.#runtime.now() + Math.max(milliseconds, SHORTEST));
    this.#arm();
    return () => {
      entry.callback = null;
      this.#agenda.set(entry, null);
      if (this.#agenda.size === 0) this.#disarm();
    };
  }

  /** Leaves a timer that goes off earlier than it has to: most timers are taken back, and another would be for nothing. */
  #arm(): void {
    const { next } = this.#agenda;
    if (next === null || (this.#timer !== null && this.#timer.at <= next)) return;
    this.#disarm();
    const delay = Math.min(Math.max(Math.ceil(next - this.#runtime.now()), SHORTEST), LONGEST);
    this.#timer = { timer: this.#runtime.start(() => this.#goOff(), delay), at: next };
  }

  #disarm(): void {
    if (this.#timer !== null) this.#runtime.cancel(this.#timer.timer);
    this.#timer = null;
  }

  #goOff(): void {
    this.#timer = null;
    const now = this.#runtime.now();
    try {
      // One by one: each may take others back.
      for (let entry = this.#agenda.take(now); entry !== undefined; entry = this.#agenda.take(now)) {
        entry.callback?.();
      }
    } finally {
      this.#arm();
    }
  }
}
