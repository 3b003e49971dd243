// What a stream's end means for a command that goes on watching: daemons are restarted, and connections have an age.
import { ClientError } from "../../lib/rpc/client_error.ts";
import type { CommandContext } from "./context.ts";

const WAIT_MS = 1000;

/** Says that nobody serves a call for now, and waits until it is time to call again. @throws any other error */
export async function tryAgain(
  { clock, host }: Pick<CommandContext, "clock" | "host">,
  error: unknown,
  signal?: AbortSignal,
): Promise<void> {
  if (!(error instanceof ClientError) || error.code !== "UNAVAILABLE") throw error;
  host.stderr.write(`${error.message}: trying again\n`);
  await clock.sleep(error.retryAfterMs ?? WAIT_MS, signal);
}
