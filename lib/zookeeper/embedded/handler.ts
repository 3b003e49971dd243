// What each request does: reads from memory, writes through the database, watches set and fired.

import type { Buffer } from "node:buffer";
import type { Connection } from "./connection.ts";
import type { Database } from "./database.ts";
import type { FaultSubject, Faults } from "./faults.ts";
import {
  encodeEvent,
  encodeReply,
  writeMultiEnd,
  writeMultiHeader,
  writeMultiResult,
  writeReadResult,
  writeResult,
  writeStepError,
} from "./reply.ts";
import {
  type ReadRequest,
  type Request,
  readRequest,
  type SetWatches,
  type WriteRequest,
} from "./request.ts";
import type { StateChange } from "./state.ts";
import type { Outcome, TreeEvent } from "./tree.ts";
import type { WatchKind, WatchTable } from "./watches.ts";
import { errorCode, opCode, Reader, WireError, type Writer } from "./wire.ts";

/** What the handler works on. */
export interface HandlerContext {
  readonly database: Database;
  readonly watches: WatchTable<Connection>;
  readonly faults: Faults;
  /** Ends the session of a connection; false when it cannot be written down. */
  endSession(id: bigint): boolean;
}

/** The kinds of watches that a client means by a number when it checks or removes one. */
const watchKinds: Readonly<Record<number, readonly WatchKind[]>> = {
  1: ["children"],
  2: ["data"],
  3: ["data", "children", "persistent", "recursive"],
  4: ["persistent"],
  5: ["recursive"],
};

/** The answer to a request. An error has no body; `last` ends the connection. */
interface Answer {
  readonly error: number;
  readonly write?: (writer: Writer) => void;
  readonly last?: boolean;
}

const done: Answer = { error: errorCode.ok };

const addWatchKinds: Readonly<Record<number, WatchKind>> = { 0: "persistent", 1: "recursive" };

export class RequestHandler {
  readonly #context: HandlerContext;

  constructor(context: HandlerContext) {
    this.#context = context;
  }

  /** Carries out the request in a frame. @throws {WireError} when not even its header can be read */
  handle(connection: Connection, frame: Buffer): void {
    const { faults } = this.#context;
    const reader = new Reader(frame);
    const { sessionId } = connection;
    const subject: FaultSubject = { xid: reader.int(), type: reader.int(), sessionId };
    const fault = faults.beforeRequest?.(subject) ?? "accept";
    if (fault === "close") {
      connection.destroy();
      return;
    }
    if (fault === "ignore") return;
    const throttled = fault === "throttle";
    const answer = throttled ? { error: errorCode.throttled } : this.#answer(connection, subject, reader);
    const zxid = this.#zxid;
    const bytes = encodeReply(subject.xid, zxid, answer.error, answer.write);
    connection.send(zxid, bytes, faults.beforeReply?.(subject) ?? "deliver");
    if (answer.last) connection.endAfter(zxid);
  }

  /** Commits a change and tells those who watch. The events go out before whatever is sent next. */
  commit(change: StateChange): Outcome {
    const outcome = this.#context.database.commit(change);
    if (outcome.committed) for (const event of outcome.events) this.#publish(event);
    return outcome;
  }

  get #zxid(): number {
    return this.#context.database.state.zxid;
  }

  #publish(event: TreeEvent): void {
    const watchers = this.#context.watches.trigger(event);
    if (watchers.size === 0) return;
    const bytes = encodeEvent(event);
    for (const watcher of watchers) watcher.send(this.#zxid, bytes);
  }

  #answer(connection: Connection, subject: FaultSubject, reader: Reader): Answer {
    let request: Request;
    try {
      request = readRequest(subject.type, reader, subject.sessionId);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      return { error: errorCode.marshallingError };
    }
    switch (request.kind) {
      case "write":
        return this.#write(request.write);
      case "multi":
        return this.#multi(request.writes);
      case "read":
        return this.#read(connection, request.read);
      case "multiRead":
        return this.#multiRead(request.reads);
      case "sync": {
        const { path } = request;
        return { error: errorCode.ok, write: (writer) => writer.string(path) };
      }
      case "setWatches":
        return this.#setWatches(connection, request.watches);
      case "addWatch":
        return this.#addWatch(connection, request.path, request.mode);
      case "checkWatches":
      case "removeWatches":
        return this.#findWatches(connection, request);
      case "auth":
        return authenticate(request.scheme);
      case "closeSession": {
        const ended = this.#context.endSession(subject.sessionId);
        return { error: ended ? errorCode.ok : errorCode.systemError, last: true };
      }
      case "ping":
        return done;
      case "unimplemented":
        return { error: errorCode.unimplemented };
    }
  }

  #write({ type, change }: WriteRequest): Answer {
    const outcome = this.commit({ changes: [change], opened: null, closed: null });
    if (!outcome.committed) return { error: outcome.code };
    const [result] = outcome.results;
    return result ? { error: errorCode.ok, write: (writer) => writeResult(writer, type, result) } : done;
  }

  #multi(writes: readonly WriteRequest[]): Answer {
    const changes = writes.map((write) => write.change);
    const outcome = this.commit({ changes, opened: null, closed: null });
    return { error: errorCode.ok, write: (writer) => writeMultiResult(writer, writes, outcome) };
  }

  #read(connection: Connection, { type, path, watch }: ReadRequest): Answer {
    if (type === opCode.exists && path.includes("\0")) return { error: errorCode.badArguments };
    const node = this.#context.database.state.tree.get(path);
    // A watch on a znode that does not exist is set by `exists` only: it waits for the creation.
    if (watch && (node || type === opCode.exists)) {
      const isList = type === opCode.getChildren || type === opCode.getChildren2;
      this.#context.watches.add(connection, isList ? "children" : "data", path);
    }
    if (!node) return { error: errorCode.noNode };
    return { error: errorCode.ok, write: (writer) => writeReadResult(writer, type, node) };
  }

  #multiRead(reads: readonly ReadRequest[]): Answer {
    const { tree } = this.#context.database.state;
    const write = (writer: Writer) => {
      for (const { type, path } of reads) {
        const node = tree.get(path);
        if (node) {
          writeMultiHeader(writer, type);
          writeReadResult(writer, type, node);
        } else {
          writeStepError(writer, errorCode.noNode);
        }
      }
      writeMultiEnd(writer);
    };
    return { error: errorCode.ok, write };
  }

  /** Sets watches anew; what happened since the client's last transaction is told at once. */
  #setWatches(connection: Connection, wanted: SetWatches): Answer {
    const { tree } = this.#context.database.state;
    const { watches } = this.#context;
    const tell = (kind: TreeEvent["kind"], path: string) =>
      connection.send(this.#zxid, encodeEvent({ kind, path }));
    for (const path of wanted.data) {
      const node = tree.get(path);
      if (!node) tell("deleted", path);
      else if (node.mzxid > wanted.relativeZxid) tell("changed", path);
      else watches.add(connection, "data", path);
    }
    for (const path of wanted.exist) {
      if (tree.get(path)) tell("created", path);
      else watches.add(connection, "data", path);
    }
    for (const path of wanted.children) {
      const node = tree.get(path);
      if (!node) tell("deleted", path);
      else if (node.pzxid > wanted.relativeZxid) tell("children", path);
      else watches.add(connection, "children", path);
    }
    for (const path of wanted.persistent) watches.add(connection, "persistent", path);
    for (const path of wanted.recursive) watches.add(connection, "recursive", path);
    return done;
  }

  #addWatch(connection: Connection, path: string, mode: number): Answer {
    const kind = addWatchKinds[mode];
    if (!kind) return { error: errorCode.marshallingError };
    this.#context.watches.add(connection, kind, path);
    return { error: errorCode.ok, write: (writer) => writer.int(errorCode.ok) };
  }

  #findWatches(
    connection: Connection,
    { kind, path, type }: { kind: "checkWatches" | "removeWatches"; path: string; type: number },
  ): Answer {
    const { watches } = this.#context;
    const wanted = watchKinds[type];
    if (!wanted) return { error: errorCode.badArguments };
    const found = wanted.filter((each) => watches.has(connection, each, path));
    if (kind === "removeWatches") for (const each of found) watches.remove(connection, each, path);
    return found.length > 0 ? done : { error: errorCode.noWatcher };
  }
}

/** Identities count for nothing here, as every znode is open to all; those that cannot be checked are refused. */
function authenticate(scheme: string): Answer {
  return scheme === "digest" || scheme === "world" ? done : { error: errorCode.authFailed, last: true };
}
