// Time in which the machine let this process run: what a promise of the product about time is judged by, where a busy
// machine must not break it.
const TICK_MS = 50;
let awake = 0;

setInterval(() => {
  // One tick, however long it was waited for.
  awake += TICK_MS;
}, TICK_MS).unref();

/** Milliseconds since some moment, without those in which this process stood still; exact to a tenth of a second. */
export function awakeTime(): number {
  return awake;
}
