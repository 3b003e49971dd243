import { type Tie, Timers } from "./timers.ts";

/** Time as an interface, so that a whole fleet can run on a virtual clock in tests. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds since some moment, of a clock that nobody sets. @default no jump of the other is noticed */
  elapsed?(): number;
  /** Resolves after `milliseconds`; rejects with the signal's reason when it is aborted first. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
  /** Calls `callback` once after `milliseconds`; the returned function cancels it. */
  after(milliseconds: number, callback: () => void): () => void;
}

/** Seconds since the Unix epoch as a float: the unit of every time in Nodepool's znodes. */
export function seconds(clock: Clock): number {
  return clock.now() / 1000;
}

const LONGEST_DELAY_MS = 3_600_000;

/**
 * How long to wait until `at`, in milliseconds; both are in seconds. At least one, so that what is due already comes after
 * what is under way, and at most an hour: the clock may be set meanwhile.
 */
export function delayUntil(at: number, now: number): number {
  return Math.min(Math.max((at - now) * 1000, 1), LONGEST_DELAY_MS);
}

/** Milliseconds of a clock that nobody sets, where there is one: for how long something takes or is to wait. */
export function elapsed(clock: Clock): number {
  return clock.elapsed?.() ?? clock.now();
}

/** {@link Clock.sleep} of a clock that has this {@link Clock.after}. */
export function sleepBy(after: Clock["after"]): Clock["sleep"] {
  return (milliseconds, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const cancel = after(milliseconds, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      const onAbort = () => {
        cancel();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
    });
}

const timers = new Timers({
  now: () => performance.now(),
  start: (callback, milliseconds) => setTimeout(callback, milliseconds),
  cancel: clearTimeout,
});
const after: Clock["after"] = (milliseconds, callback) => timers.after(milliseconds, callback);

/** Says how callbacks of the machine's own clock are tied to the context in which they were asked for. */
export function tieTimers(tie: Tie): void {
  timers.tie = tie;
}

/** The machine's own clock. Composition roots and tests take it; elsewhere it is what an optional parameter is by default. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: sleepBy(after),
  after,
};
