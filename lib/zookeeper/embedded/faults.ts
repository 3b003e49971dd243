// Faults on demand, for tests of what clients do about them. Without them the server behaves.

/** A request as a fault switch sees it. `type` is one of `opCode`. */
export interface FaultSubject {
  readonly type: number;
  readonly xid: number;
  readonly sessionId: bigint;
}

/**
 * - `deliver`: no fault;
 * - `drop`: the reply is never sent, though the request was carried out;
 * - `close`: the connection ends in place of the reply;
 * - `half`: half of the reply's bytes, then the connection ends;
 * - `delay`: this reply, and all that follow on the connection, come that much later.
 */
export type ReplyFault = "deliver" | "drop" | "close" | "half" | { readonly delayMilliseconds: number };

/** Switches that a test sets; each is asked once a request. */
export interface Faults {
  /**
   * `throttle` answers THROTTLED, `close` ends the connection, `ignore` does nothing, as if the request had got lost on
   * its way; in none of these the request is carried out.
   */
  beforeRequest?(request: FaultSubject): "accept" | "throttle" | "close" | "ignore";
  /** Asked when the request was carried out and, for a write, before its commit is on disk. */
  beforeReply?(request: FaultSubject): ReplyFault;
  /** Fails writes to the log as a full disk would, as long as it returns an error. */
  beforeLogWrite?(): Error | null;
}
