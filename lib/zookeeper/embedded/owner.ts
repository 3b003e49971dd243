// What a znode's owner stands for besides a session, in ZooKeeper's own encoding (its EphemeralType): a container,
// which goes when its last child has gone, or a time to live, after which an unchanged znode without children goes.

/** The owner of containers. */
export const CONTAINER = -(2n ** 63n);

/** The greatest time to live, in milliseconds. */
const LONGEST = 0xff_ffff_ffffn;
/** The first byte of an owner that is a time to live. */
const TTL = 0xffn << 56n;

/** The owner of znodes with a time to live in milliseconds; null when ZooKeeper takes no such time. */
export function ttlOwner(milliseconds: bigint): bigint | null {
  if (milliseconds <= 0n || milliseconds > LONGEST) return null;
  return BigInt.asIntN(64, TTL | milliseconds);
}

/** The time to live in milliseconds that an owner stands for, or null. */
export function timeToLive(owner: bigint): number | null {
  const bits = BigInt.asUintN(64, owner);
  return bits >> 56n === 0xffn ? Number(bits & LONGEST) : null;
}

/** Whether an owner is a session: the znode is an ephemeral one. */
export function isSession(owner: bigint): boolean {
  return owner !== 0n && owner !== CONTAINER && timeToLive(owner) === null;
}
