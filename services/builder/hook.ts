import { onAbort } from "../../lib/std/on_abort.ts";
import { endGroup } from "./process_group.ts";
import type { Workshop } from "./workshop.ts";

/** How much of a hook's output an error quotes. */
const QUOTED = 500;

/** Runs a provider's post-upload-hook to its end. @throws {Error} with its output when it fails or is stopped */
export async function runHook(
  { context, spawn, env, graceMs, abandoned }: Workshop,
  command: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const own = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const running = await spawn(command, { env: Object.fromEntries(own) });
  const stop = () => void endGroup(running, context.clock, graceMs, abandoned);
  const stopListening = onAbort(signal, stop);
  let output = "";
  await running.consume(async (text) => {
    output = (output + text).slice(-QUOTED);
  });
  const { code, signal: killedBy } = await running.ended;
  stopListening();
  await endGroup(running, context.clock, graceMs, abandoned);
  context.logger.info("post-upload-hook ended", { hook: command[0], code, output });
  if (code === 0) return;
  const how = code === null ? `was killed by ${killedBy}` : `ended with status ${code}`;
  throw new Error(`post-upload-hook ${command[0]} ${how}: ${output.trim() || "no output"}`);
}
