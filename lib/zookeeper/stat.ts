import type { Buffer } from "node:buffer";
import { ProtocolError } from "./frame_reader.ts";
import type { Stat } from "./types.ts";

/** The length of a stat on the wire. */
export const STAT_BYTES = 68;

/**
 * A stat as it lies in a frame. The package's record would do, with eight objects for each; most answers carry one,
 * so this is where the time of a read goes.
 */
export function readStat(frame: Buffer, offset: number): Stat {
  if (frame.length < offset + STAT_BYTES) throw new ProtocolError("an answer ends within a stat");
  return {
    czxid: frame.readBigInt64BE(offset),
    mzxid: frame.readBigInt64BE(offset + 8),
    ctime: readTime(frame, offset + 16),
    mtime: readTime(frame, offset + 24),
    version: frame.readInt32BE(offset + 32),
    cversion: frame.readInt32BE(offset + 36),
    aversion: frame.readInt32BE(offset + 40),
    ephemeralOwner: frame.readBigInt64BE(offset + 44),
    dataLength: frame.readInt32BE(offset + 52),
    numChildren: frame.readInt32BE(offset + 56),
    pzxid: frame.readBigInt64BE(offset + 60),
  };
}

/** Milliseconds since the epoch, which fit into a number. */
function readTime(frame: Buffer, offset: number): number {
  return frame.readInt32BE(offset) * 2 ** 32 + frame.readUInt32BE(offset + 4);
}
