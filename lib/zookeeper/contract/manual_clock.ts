import { type Clock, sleepBy } from "../../std/clock.ts";

/** A clock that stands still until it is told to go on. */
export function manualClock() {
  let now = 0;
  let timers: { at: number; callback: () => void }[] = [];
  const after: Clock["after"] = (milliseconds, callback) => {
    const timer = { at: now + milliseconds, callback };
    timers.push(timer);
    return () => {
      timers = timers.filter((each) => each !== timer);
    };
  };
  const clock: Clock = { now: () => now, sleep: sleepBy(after), after };
  /** Goes on in steps of 1 ms, or in one leap as a machine does that slept. */
  const advance = (milliseconds: number, step = 1) => {
    const end = now + milliseconds;
    while (now < end) {
      now = Math.min(end, now + step);
      const due = timers.filter(({ at }) => at <= now);
      timers = timers.filter(({ at }) => at > now);
      for (const { callback } of due) callback();
    }
  };
  return { clock, advance, timers: () => timers.length };
}
