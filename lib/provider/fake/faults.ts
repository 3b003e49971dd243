// Lets the weather of a fake cloud act upon a call.
import { abortable } from "../../std/abortable.ts";
import type { Clock } from "../../std/clock.ts";
import { ProviderError, ThrottledError } from "../contract.ts";
import type { CloudMethod, Weather } from "./weather.ts";

type Counter = {
  [Key in keyof Weather]: Weather[Key] extends number ? Key : never;
}[keyof Weather];

/** The faults of one cloud. */
export class Faults {
  readonly weather: Weather;
  readonly #clock: Clock;
  #second = 0;
  #callsInSecond = 0;

  constructor(weather: Weather, clock: Clock) {
    this.weather = weather;
    this.#clock = clock;
  }

  /** Runs a call as the weather wants it. */
  async around<T>(method: CloudMethod, signal: AbortSignal, act: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.weather.hang.has(method)) await aborted(signal);
    await this.pause(this.weather.latencyMs, signal);
    this.#admit();
    const { storm } = this.weather;
    const dice = storm === null ? 1 : storm.random();
    const rate = storm?.rate ?? 0;
    if (dice < rate / 2) throw new ProviderError("503: the service is unavailable");
    const result = await act();
    if (dice < rate) throw new ProviderError("503: the reply was lost");
    return result;
  }

  /** Whether this fault happens now. */
  strikes(counter: Counter): boolean {
    if (this.weather[counter] <= 0) return false;
    this.weather[counter] -= 1;
    return true;
  }

  async pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    if (milliseconds > 0) await this.#clock.sleep(milliseconds, signal);
  }

  #admit(): void {
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#second) this.#callsInSecond = 0;
    this.#second = second;
    this.#callsInSecond += 1;
    if (this.#callsInSecond > this.weather.callsPerSecond || this.strikes("refuseCalls")) {
      const { retryAfterMs } = this.weather;
      throw new ThrottledError("429: too many requests, try again later", { retryAfterMs });
    }
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return abortable(new Promise<never>(() => {}), signal);
}
