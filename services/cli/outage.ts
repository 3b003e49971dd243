// What a stream's end means for a command that goes on watching: daemons are restarted, and connections have an age.
import { ClientError } from "../../lib/rpc/client_error.ts";
import type { CommandContext } from "./context.ts";

const WAIT_MS = 1000;

/** Waits through an outage, and says what it waits for: once, until that changes or a call was answered. */
export class Outage {
  #said = "";
  readonly #context: Pick<CommandContext, "clock" | "host">;

  constructor(context: Pick<CommandContext, "clock" | "host">) {
    this.#context = context;
  }

  /** A call was answered. */
  over(): void {
    this.#said = "";
  }

  /**
   * Says that nobody serves a call for now, or that it was cut off for being read too slowly, and waits until it is time to
   * call again. @throws any other error
   */
  async tryAgain(error: unknown, signal?: AbortSignal): Promise<void> {
    if (!(error instanceof ClientError)) throw error;
    if (error.code !== "UNAVAILABLE" && error.reason !== "SLOW_CONSUMER") throw error;
    const { clock, host } = this.#context;
    if (error.message !== this.#said) host.stderr.write(`${error.message}: trying again\n`);
    this.#said = error.message;
    await clock.sleep(error.retryAfterMs ?? WAIT_MS, signal);
  }
}
