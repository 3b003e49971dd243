/** How long to wait before a repeated attempt. */
export interface BackoffOptions {
  /** Delay before the second attempt, in milliseconds. */
  readonly initial: number;
  /** Upper bound of any delay, in milliseconds. */
  readonly maximum: number;
  /** A random number in [0, 1); the delay is spread over its upper half. @default Math.random */
  readonly random?: () => number;
}

/**
 * The delay in milliseconds before attempt `failures + 1`: exponential with equal jitter, so that many clients
 * which failed together do not return together.
 */
export function backoffDelay(failures: number, options: BackoffOptions): number {
  const random = options.random ?? Math.random;
  const growth = 2 ** Math.max(0, failures - 1);
  const ceiling = Math.min(options.maximum, options.initial * growth);
  return ceiling / 2 + (ceiling / 2) * random();
}

/** Whether a pause lasts. Where the clock was set back it is over: it would last for as long as the clock went back. */
export function isWaiting(pause: { readonly since: number; readonly until: number }, now: number): boolean {
  return now >= pause.since && now < pause.until;
}
