// Waits until a machine that boots can be connected to.
import { once } from "node:events";
import { connect } from "node:net";
import { abortable } from "../std/abortable.ts";
import { backoffDelay } from "../std/backoff.ts";
import type { Clock } from "../std/clock.ts";
import { deadline } from "../std/deadline.ts";
import { messageOf } from "../std/errors.ts";

/** Where to connect to, and for how long to try. */
export interface ReachOptions {
  readonly host: string;
  readonly port: number;
  /** How long to wait for something that listens, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** How long one connection is tried, in milliseconds: as that of a key scan. */
const CONNECT_MS = 3000;

/**
 * Resolves as soon as something takes a TCP connection there; nothing is sent. Whatever refuses or does not answer is
 * tried again until the timeout: it is about to start.
 *
 * @throws {Error} that names the host, the port and the last reason; the signal's reason
 */
export async function reach(options: ReachOptions): Promise<void> {
  const { host, port, timeoutMs, signal, clock } = options;
  let reason = "it did not answer";
  const late = () =>
    new Error(`nothing answers at ${host} port ${port} within ${timeoutMs / 1000} s: ${reason}`);
  const limit = deadline(clock, timeoutMs, late, [signal]);
  try {
    for (let failures = 1; ; failures += 1) {
      try {
        return await connectInTime(host, port, clock, limit.signal);
      } catch (error) {
        limit.signal.throwIfAborted();
        reason = messageOf(error);
      }
      await clock.sleep(backoffDelay(failures, { initial: 100, maximum: 1000 }), limit.signal);
    }
  } finally {
    limit.stop();
  }
}

async function connectInTime(host: string, port: number, clock: Clock, signal: AbortSignal): Promise<void> {
  const late = () => new Error(`it did not answer in ${CONNECT_MS / 1000} s`);
  const limit = deadline(clock, CONNECT_MS, late, [signal]);
  try {
    await connectOnce(host, port, limit.signal);
  } finally {
    limit.stop();
  }
}

/** Connects, and no more. @throws {Error} of the system; the signal's reason */
export async function connectOnce(host: string, port: number, signal: AbortSignal): Promise<void> {
  const socket = connect({ host, port });
  try {
    await abortable(once(socket, "connect"), signal);
  } finally {
    socket.destroy();
  }
}
