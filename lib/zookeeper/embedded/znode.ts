// A znode as the embedded server keeps it, and what its clients see of it.
import type { WireStat } from "./wire.ts";

/** A znode as it is kept. `ephemeralOwner` is 0n for a persistent one; see owner.ts for what it may be besides a session. */
export interface Znode {
  data: Uint8Array | null;
  czxid: number;
  mzxid: number;
  /** Of the last creation or deletion of a child. */
  pzxid: number;
  ctime: number;
  mtime: number;
  version: number;
  aversion: number;
  /** Children ever created: the next sequence number. The visible `cversion` counts deletions too. */
  childrenCreated: number;
  ephemeralOwner: bigint;
  children: Set<string> | null;
}

/** The stat that clients see. */
export function statOf(node: Znode): WireStat {
  const numChildren = node.children?.size ?? 0;
  return {
    czxid: node.czxid,
    mzxid: node.mzxid,
    ctime: node.ctime,
    mtime: node.mtime,
    version: node.version,
    // Creations plus deletions, and deletions are creations less what is left.
    cversion: (node.childrenCreated * 2 - numChildren) | 0,
    aversion: node.aversion,
    ephemeralOwner: node.ephemeralOwner,
    dataLength: node.data?.length ?? 0,
    numChildren,
    pzxid: node.pzxid,
  };
}

/** A znode that has just been created. */
export function newZnode(data: Uint8Array | null, zxid: number, time: number, ephemeralOwner: bigint): Znode {
  return {
    data,
    czxid: zxid,
    mzxid: zxid,
    pzxid: zxid,
    ctime: time,
    mtime: time,
    version: 0,
    aversion: 0,
    childrenCreated: 0,
    ephemeralOwner,
    children: null,
  };
}
