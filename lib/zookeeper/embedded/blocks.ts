// How log and snapshot files are cut up: blocks with a mark, a length and a checksum. One block is one fsync's worth,
// so that a torn write damages the last block and nothing before it.

import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";

const headerBytes = 12;
/** "npzk" */
const mark = 0x6e707a6b;

/** A payload with its header in front. */
export function encodeBlock(payload: Buffer): Buffer {
  const block = Buffer.allocUnsafe(headerBytes + payload.length);
  block.writeUInt32BE(mark, 0);
  block.writeUInt32BE(payload.length, 4);
  block.writeUInt32BE(crc32(payload), 8);
  payload.copy(block, headerBytes);
  return block;
}

/** The blocks at the start of a file up to the first that is not whole. */
export interface Blocks {
  readonly payloads: readonly Buffer[];
  /** Where the first damaged block starts: the length of the file when all are whole. */
  readonly end: number;
  /** Whether a whole block comes after the damaged one: then it is no torn tail. */
  readonly wholeBlockAfter: boolean;
}

/** Cuts up a file. */
export function readBlocks(file: Buffer): Blocks {
  const payloads: Buffer[] = [];
  let end = 0;
  for (let payload = blockAt(file, end); payload; payload = blockAt(file, end)) {
    payloads.push(payload);
    end += headerBytes + payload.length;
  }
  return { payloads, end, wholeBlockAfter: end < file.length && hasBlockAfter(file, end) };
}

function blockAt(file: Buffer, offset: number): Buffer | null {
  if (offset + headerBytes > file.length || file.readUInt32BE(offset) !== mark) return null;
  const start = offset + headerBytes;
  const end = start + file.readUInt32BE(offset + 4);
  if (end > file.length) return null;
  const payload = file.subarray(start, end);
  return crc32(payload) === file.readUInt32BE(offset + 8) ? payload : null;
}

function hasBlockAfter(file: Buffer, offset: number): boolean {
  const pattern = Buffer.alloc(4);
  pattern.writeUInt32BE(mark);
  for (let at = file.indexOf(pattern, offset + 1); at !== -1; at = file.indexOf(pattern, at + 1)) {
    if (blockAt(file, at) !== null) return true;
  }
  return false;
}
