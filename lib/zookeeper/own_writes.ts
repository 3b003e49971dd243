// What our own writes leave behind, so that whoever hears of a change that we have made need not read it.
//
// Invariants:
//   O1. A server tells of what a write has changed before it answers it, and it answers in the order in which it was
//       asked. So a change of our own belongs to the oldest write without an answer, and nobody else's later change is
//       heard of before that answer.
//   O2. An answer is noted in the turn in which it arrives: the next frame may be about the next write.
import type { Buffer } from "node:buffer";
import type { Operation, Written, WrittenPaths } from "./types.ts";
import type { Request } from "./wire.ts";
import type { StepResult } from "./write_records.ts";

type Left = WrittenPaths;

interface OwnWrite {
  /** Those that it writes; of numbered ones what is before the number. */
  readonly paths: ReadonlySet<string>;
  /** Empty when it was refused, or nobody knows. */
  readonly left: Promise<Left>;
}

const NOTHING: Left = new Map();
const NUMBER_LENGTH = 10;

/** The writes of a session that have no answer yet. */
export class OwnWrites {
  readonly #unanswered = new Set<OwnWrite>();

  /** Makes a call that writes; `left` says what it has left behind. */
  async call<T>(
    paths: readonly string[],
    request: Request<T>,
    send: (request: Request<T>) => Promise<T>,
    left: (answer: T) => Left,
  ): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<Left>();
    const write: OwnWrite = { paths: new Set(paths), left: promise };
    const read = (frame: Buffer, offset: number): T => {
      this.#unanswered.delete(write);
      const answer = request.read(frame, offset);
      resolve(left(answer));
      return answer;
    };
    this.#unanswered.add(write);
    try {
      return await send({ ...request, read });
    } finally {
      this.#unanswered.delete(write);
      resolve(NOTHING);
    }
  }

  /** See {@link Session.written}. */
  at(path: string): Promise<Left> | undefined {
    for (const { paths, left } of this.#unanswered) {
      return paths.has(path) || paths.has(path.slice(0, -NUMBER_LENGTH)) ? left : undefined;
    }
    return undefined;
  }
}

/**
 * What a transaction has left; nothing when it was refused. Only an answer to a set tells the transaction's number and
 * time: without one nothing is known of what was created.
 *
 * @param strip gives the path that the session's users know
 */
export function leftByTransaction(
  operations: readonly Operation[],
  results: readonly StepResult[],
  strip: (path: string) => string,
): Left {
  if (results.some(({ error }) => error !== undefined)) return NOTHING;
  const left = new Map<string, Written>();
  const time = results.find(({ stat }) => stat !== undefined)?.stat;
  for (const [index, operation] of operations.entries()) {
    const { path, stat } = results[index] ?? {};
    if (operation.kind === "delete") left.delete(operation.path);
    if (operation.kind === "set" && stat !== undefined) {
      left.set(operation.path, { data: operation.data, stat });
    }
    if (operation.kind === "create" && path !== undefined && time !== undefined) {
      const { mzxid, mtime } = time;
      left.set(strip(path), { data: operation.data, stat: { mzxid, mtime, ctime: mtime, version: 0 } });
    }
  }
  return left;
}
