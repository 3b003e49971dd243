// Replies and events as clients read them.

import type { Buffer } from "node:buffer";
import type { WriteRequest } from "./request.ts";
import type { ChangeResult, Outcome, TreeEvent } from "./tree.ts";
import { encodeFrame, errorCode, eventXid, opCode, type Writer } from "./wire.ts";
import { statOf, type Znode } from "./znode.ts";

/** A reply: header, then what `write` writes. An error has no body. */
export function encodeReply(
  xid: number,
  zxid: number,
  error: number,
  write?: (writer: Writer) => void,
): Buffer {
  return encodeFrame((writer) => {
    writer.int(xid).long(zxid).int(error);
    if (error === errorCode.ok) write?.(writer);
  });
}

const eventType = { created: 1, deleted: 2, changed: 3, children: 4 } as const;
/** The state in an event: SyncConnected. */
const connectedState = 3;

/** A watch event. */
export function encodeEvent(event: TreeEvent): Buffer {
  return encodeReply(eventXid, -1, errorCode.ok, (writer) => {
    writer.int(eventType[event.kind]).int(connectedState).string(event.path);
  });
}

/** The answer to a connect request; one with timeout 0 says that the session has expired. */
export function encodeConnectReply(
  timeout: number,
  session: bigint,
  password: Uint8Array,
  withReadOnly: boolean,
): Buffer {
  return encodeFrame((writer) => {
    writer.int(0).int(timeout).long(session).buffer(password);
    if (withReadOnly) writer.bool(false);
  });
}

/** Writes whose results name the path; all but the plain one have a stat behind it. */
const creations: ReadonlySet<number> = new Set([
  opCode.create,
  opCode.create2,
  opCode.createContainer,
  opCode.createTtl,
]);

/** The body of the reply to a write. */
export function writeResult(writer: Writer, type: number, result: ChangeResult): void {
  if (creations.has(type)) writer.string(result.path);
  if (type !== opCode.create && result.stat) writer.stat(result.stat);
}

/**
 * The body of the reply to a transaction. Of a failed one each step has an error: 0 before the step that failed, its
 * code at that step, RUNTIME_INCONSISTENCY after it.
 */
export function writeMultiResult(writer: Writer, writes: readonly WriteRequest[], outcome: Outcome): void {
  for (const [index, { type }] of writes.entries()) {
    const result = outcome.committed ? outcome.results[index] : undefined;
    if (result) {
      writeMultiHeader(writer, type);
      writeResult(writer, type, result);
    } else if (!outcome.committed) {
      const later = index < outcome.index ? errorCode.ok : errorCode.runtimeInconsistency;
      writeStepError(writer, index === outcome.index ? outcome.code : later);
    }
  }
  writeMultiEnd(writer);
}

/** The body of the reply to a read. */
export function writeReadResult(writer: Writer, type: number, node: Znode): void {
  switch (type) {
    case opCode.getData:
      writer.buffer(node.data);
      break;
    case opCode.getAcl:
      writer.vector([31], (permissions) => writer.int(permissions).string("world").string("anyone"));
      break;
    case opCode.getChildren:
    case opCode.getChildren2:
      writer.vector([...(node.children ?? [])], (name) => writer.string(name));
      break;
  }
  if (type !== opCode.getChildren) writer.stat(statOf(node));
}

/** The head of a good result among several. */
export function writeMultiHeader(writer: Writer, type: number): void {
  writer.int(type).bool(false).int(errorCode.ok);
}

/** A step's error among several results. */
export function writeStepError(writer: Writer, code: number): void {
  writer.int(opCode.error).bool(false).int(code).int(code);
}

/** What follows the last of several results. */
export function writeMultiEnd(writer: Writer): void {
  writer.int(-1).bool(true).int(-1);
}
