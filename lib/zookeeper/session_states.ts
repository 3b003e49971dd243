// The state of a session, and who hears of it.
import { messageOf } from "../std/errors.ts";
import type { Logger } from "../std/logger.ts";
import { type SessionState, ZooKeeperError } from "./types.ts";

/** Begins as connecting; nothing comes after closed. */
export class SessionStates {
  readonly #logger: Logger;
  readonly #listeners = new Set<(state: SessionState) => void>();
  #current: SessionState = "connecting";

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get current(): SessionState {
    return this.#current;
  }

  /** Hears of each change until the function that it gives is called. */
  onChange(listener: (state: SessionState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  change(state: SessionState): void {
    if (this.#current === state || this.#current === "closed") return;
    this.#current = state;
    for (const listener of [...this.#listeners]) {
      try {
        listener(state);
      } catch (error) {
        this.#logger.error("a session listener failed", { state, error: messageOf(error) });
      }
    }
  }

  /** Waits for a connection. @throws {ZooKeeperError} when the session is closed, or the signal's reason */
  connected(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): boolean => {
        if (signal?.aborted) reject(signal.reason);
        else if (this.#current === "closed") reject(closedError());
        else if (this.#current === "connected") resolve();
        else return false;
        return true;
      };
      if (look()) return;
      const again = () => {
        if (!look()) return;
        stop();
        signal?.removeEventListener("abort", again);
      };
      const stop = this.onChange(again);
      signal?.addEventListener("abort", again);
    });
  }
}

/** What a call in a closed session ends with. */
export function closedError(): ZooKeeperError {
  return new ZooKeeperError("CLOSED", "the session was closed");
}
