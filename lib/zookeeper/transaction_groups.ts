// Transactions that are asked for in one turn of the event loop, and in all that follows from it at once, are committed
// as one: the server's work is by the transaction, and its disk's too. What is asked for while two are on their way waits
// for one of them, and is committed as one then: a session's writes are made one after the other anyhow.
//
// Invariants:
//   G1. Each caller hears what it would hear alone: its own results, or its own refusal with the number of its own step.
//   G2. A group that was refused has done nothing. Its transactions are then made one by one, in their order.
//   G3. An answer that is lost is lost to the whole group: none or all of it was done.
//   G4. A creation that is a transaction of its own is made alone where nothing is set beside it: the answer to a group
//       tells when it was committed with what was set, and without that nobody knows what the creation has left.
//   G5. What waits when its session ends is not made in the next one: a lock would be taken there that nobody knows of.
import { nextTick } from "node:process";
import {
  isUncertain,
  isZooKeeperError,
  type Operation,
  type OperationResult,
  TransactionError,
} from "./types.ts";

/** Above this many bytes of paths and documents another group begins. ZooKeeper takes 1 MB in one transaction. */
const LARGEST_BYTES = 256 * 1024;
/** When a group is refused, so many are made anew at most. */
const LARGEST_COUNT = 32;
/** One is with the disk while the next is on the wire. */
const ON_THEIR_WAY = 2;

type Commit = (operations: readonly Operation[]) => Promise<OperationResult[]>;

interface Member {
  readonly operations: readonly Operation[];
  /** Of the session in which it was asked for. */
  readonly owner: AbortSignal;
  readonly resolve: (results: OperationResult[]) => void;
  readonly reject: (error: unknown) => void;
}

/** The transactions of one connection's sessions. */
export class TransactionGroups {
  readonly #send: Commit;
  readonly #session: () => AbortSignal;
  #waiting: Member[] = [];
  #bytes = 0;
  /** Groups that are sent and not answered. */
  #open = 0;

  /**
   * @param send sends one transaction at once
   * @param session the signal of the present session
   */
  constructor(send: Commit, session: () => AbortSignal) {
    this.#send = send;
    this.#session = session;
  }

  /** Commits all of these operations or none. @throws what `send` throws for them alone */
  commit(operations: readonly Operation[]): Promise<OperationResult[]> {
    const bytes = bytesOf(operations);
    if (this.#bytes + bytes > LARGEST_BYTES || this.#waiting.length === LARGEST_COUNT) this.flush();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ operations, owner: this.#session(), resolve, reject });
      this.#bytes += bytes;
      if (this.#waiting.length === 1) nextTick(() => this.#flushInTurn());
    });
  }

  /** Sends what waits, so that whatever is sent next comes after it. */
  flush(): void {
    const members = this.#waiting.filter(isOfPresentSession);
    this.#waiting = [];
    this.#bytes = 0;
    if (members.length === 0) return;
    this.#open += 1;
    const answered = isGroup(members) ? this.#together(members) : this.#oneByOne(members);
    void answered.then(() => {
      this.#open -= 1;
      this.#flushInTurn();
    });
  }

  #flushInTurn(): void {
    if (this.#open < ON_THEIR_WAY) this.flush();
  }

  async #together(members: readonly Member[]): Promise<void> {
    try {
      const results = await this.#send(members.flatMap(({ operations }) => operations));
      let from = 0;
      for (const { operations, resolve } of members) {
        resolve(results.slice(from, from + operations.length));
        from += operations.length;
      }
    } catch (error) {
      const isOpen = isUncertain(error) || isZooKeeperError(error, "SESSION_EXPIRED");
      if (error instanceof TransactionError || !isOpen) await this.#oneByOne(members);
      else for (const { reject } of members) reject(error);
    }
  }

  /** Never rejects. */
  async #oneByOne(members: readonly Member[]): Promise<void> {
    const answers = members
      .filter(isOfPresentSession)
      .map(({ operations, resolve, reject }) => this.#send(operations).then(resolve, reject));
    await Promise.all(answers);
  }
}

/** Whether they are to be made as one. */
function isGroup(members: readonly Member[]): boolean {
  if (members.length < 2) return false;
  const hasSet = members.some(({ operations }) => operations.some(({ kind }) => kind === "set"));
  return (
    hasSet || !members.some(({ operations }) => operations.length === 1 && operations[0]?.kind === "create")
  );
}

/** Tells those whose session is over. */
function isOfPresentSession({ owner, reject }: Member): boolean {
  if (owner.aborted) reject(owner.reason);
  return !owner.aborted;
}

function bytesOf(operations: readonly Operation[]): number {
  return operations.reduce(
    (sum, step) => sum + step.path.length + ("data" in step ? step.data.length : 0),
    0,
  );
}
