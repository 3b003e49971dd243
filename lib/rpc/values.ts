// Numbers out of ZooKeeper as the API can say them. Anybody may write there: a number that a message has no place for
// is left out, for else it would be the whole list that cannot be sent.

/** From year 1 to the end of 9999, in seconds since the epoch: what google.protobuf.Timestamp allows. */
const [FIRST_TIME, LAST_TIME] = [-62_135_596_800, 253_402_300_799];

/** A time in seconds since the epoch; undefined where there is none (0 and null) or no timestamp can say it. */
export function timestampOf(seconds: number | null): Date | undefined {
  if (!seconds || !(seconds >= FIRST_TIME && seconds <= LAST_TIME)) return undefined;
  return new Date(seconds * 1000);
}

/** A whole number of 32 bits; 0 where the number is none. */
export function int32Of(value: number): number {
  return (value | 0) === value ? value : 0;
}

/** The number without its fraction; 0 where 64 bits cannot hold it. */
export function int64Of(value: number): bigint {
  if (!Number.isFinite(value)) return 0n;
  const whole = BigInt(Math.trunc(value));
  return BigInt.asIntN(64, whole) === whole ? whole : 0n;
}
