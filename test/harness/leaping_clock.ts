// A clock that goes as the machine's own does, and leaps ahead when a test says so: what waits for a time that has come
// by then goes on at once.
import { type Clock, sleepBy, systemClock } from "../../lib/std/clock.ts";

export interface LeapingClock extends Clock {
  leap(milliseconds: number): void;
}

export function leapingClock(): LeapingClock {
  let ahead = 0;
  /** What re-arms each timer that is waiting. */
  const timers = new Set<() => void>();
  const now = () => systemClock.now() + ahead;
  const after = (milliseconds: number, callback: () => void) => {
    const end = now() + milliseconds;
    let cancel = () => {};
    const arm = () => {
      cancel();
      cancel = systemClock.after(Math.max(0, end - now()), () => {
        timers.delete(arm);
        callback();
      });
    };
    timers.add(arm);
    arm();
    return () => {
      timers.delete(arm);
      cancel();
    };
  };
  return {
    now,
    after,
    sleep: sleepBy(after),
    leap: (milliseconds) => {
      ahead += milliseconds;
      for (const arm of timers) arm();
    },
  };
}
