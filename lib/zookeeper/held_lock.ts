import { type HeldLock, type Operation, ZooKeeperError } from "./types.ts";

/** One for all: a thousand locks are given back a second, and each error of its own would carry its stack. */
const GIVEN_BACK = new ZooKeeperError("CLOSED", "the lock was given back");

/** A lock with its contender at the head of the line. */
export class KazooLock implements HeldLock {
  readonly root: string;
  readonly contender: string;
  readonly #controller = new AbortController();
  readonly #line: { withdraw: () => Promise<void>; forget: () => void };
  #released: Promise<void> | undefined;

  constructor(root: string, contender: string, line: { withdraw: () => Promise<void>; forget: () => void }) {
    this.root = root;
    this.contender = contender;
    this.#line = line;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  guard(): Operation {
    return { kind: "check", path: this.contender, version: -1 };
  }

  releaseOperation(): Operation {
    return { kind: "delete", path: this.contender, version: -1 };
  }

  markReleased(): void {
    this.#released ??= Promise.resolve();
    this.end(GIVEN_BACK);
  }

  release(): Promise<void> {
    this.#released ??= this.#line.withdraw();
    this.end(GIVEN_BACK);
    return this.#released;
  }

  /** The lock is ours no more: whoever works under it has to stop. */
  end(reason: ZooKeeperError): void {
    this.#controller.abort(reason);
    this.#line.forget();
  }
}
