// The list of servers, shared by everybody who waits for something to happen to one. It is asked for only while somebody
// waits, and the less often, the longer the youngest of them has waited: one list serves all machines of a provider.
import { abortable } from "../../std/abortable.ts";
import { type Clock, elapsed } from "../../std/clock.ts";
import { SharedCall } from "../../std/shared_call.ts";
import type { Server } from "./compute.ts";

/** Servers by id. */
export type Servers = ReadonlyMap<string, Server>;

/** Between two lists lies a part of the youngest wait, but at least and at most so many milliseconds. */
const SHARE = 1 / 8;
const SHORTEST_MS = 1000;
const LONGEST_MS = 10_000;
/** And at least so many times what the list itself took: a large project must not be kept busy by us. */
const BREATH = 4;

interface Waiter {
  readonly since: number;
  readonly look: (servers: Servers) => void;
}

export class ServerList {
  readonly #fetch: (signal: AbortSignal) => Promise<Server[]>;
  readonly #clock: Clock;
  readonly #closing: AbortSignal;
  readonly #waiters = new Set<Waiter>();
  readonly #call = new SharedCall(() => this.#list());
  #lastTookMs = 0;
  #known: Servers = new Map();
  #isPolling = false;
  #wake: (() => void) | null = null;

  constructor(fetch: (signal: AbortSignal) => Promise<Server[]>, clock: Clock, closing: AbortSignal) {
    this.#fetch = fetch;
    this.#clock = clock;
    this.#closing = closing;
  }

  /** What the last list said of a server. */
  latest(id: string): Server | undefined {
    return this.#known.get(id);
  }

  /** A list that is begun after this call; all who ask while another is under way share the next one. */
  fresh(signal: AbortSignal): Promise<Servers> {
    return this.#call.fresh(signal);
  }

  /** Looks at lists until `done` returns something. */
  async until<T>(done: (servers: Servers) => T | undefined, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const result = Promise.withResolvers<T>();
    const look = (servers: Servers) => {
      try {
        const value = done(servers);
        if (value !== undefined) result.resolve(value);
      } catch (error) {
        result.reject(error);
      }
    };
    const waiter = { since: elapsed(this.#clock), look };
    this.#waiters.add(waiter);
    // A newcomer is not to wait out the long pause of those who have waited long.
    this.#wake?.();
    void this.#poll();
    try {
      return await abortable(result.promise, signal);
    } finally {
      this.#waiters.delete(waiter);
      if (this.#waiters.size === 0) this.#wake?.();
    }
  }

  async #poll(): Promise<void> {
    if (this.#isPolling) return;
    this.#isPolling = true;
    try {
      while (this.#waiters.size > 0 && !this.#closing.aborted) {
        await this.#pause();
        if (this.#waiters.size === 0) break;
        // A list that fails has been repeated and logged already: whoever waits has a deadline of its own.
        await this.fresh(this.#closing).catch(() => undefined);
      }
    } finally {
      this.#isPolling = false;
    }
  }

  async #pause(): Promise<void> {
    const begun = elapsed(this.#clock);
    while (this.#waiters.size > 0 && !this.#closing.aborted) {
      const due = begun + this.#pauseMs(begun);
      const left = due - elapsed(this.#clock);
      if (left <= 0) return;
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      const signal = AbortSignal.any([woken.signal, this.#closing]);
      await this.#clock.sleep(left, signal).catch(() => undefined);
      this.#wake = null;
    }
  }

  #pauseMs(now: number): number {
    const youngest = Math.min(...Array.from(this.#waiters, ({ since }) => Math.max(0, now - since)));
    const wanted = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, youngest * SHARE));
    return Math.min(LONGEST_MS, Math.max(wanted, this.#lastTookMs * BREATH));
  }

  async #list(): Promise<Servers> {
    const started = elapsed(this.#clock);
    const servers = await this.#fetch(this.#closing);
    this.#lastTookMs = elapsed(this.#clock) - started;
    // Of a server whose host cannot be asked the list has little more than the id: what we knew of it still holds.
    const whole = servers.map((server) =>
      server.status === "UNKNOWN" && server.name === "" ? (this.#known.get(server.id) ?? server) : server,
    );
    this.#known = new Map(whole.map((server) => [server.id, server]));
    for (const { look } of [...this.#waiters]) look(this.#known);
    return this.#known;
  }
}
