// What ends a command that takes its time: Ctrl-C, SIGTERM, and its terminal's end.
import { type CliHost, type EndSignal, EXIT } from "./host.ts";

const SIGNALS: readonly EndSignal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Runs `work` with a signal that is aborted by Ctrl-C, SIGTERM or SIGHUP. When work ends after that, by whatever error or
 * result, the exit code says "interrupted".
 */
export async function untilInterrupted(
  host: CliHost,
  work: (interrupt: AbortSignal) => Promise<number>,
): Promise<number> {
  const controller = new AbortController();
  const interrupt = () => controller.abort();
  for (const signal of SIGNALS) host.on(signal, interrupt);
  try {
    const code = await work(controller.signal);
    return controller.signal.aborted ? EXIT.interrupted : code;
  } catch (error) {
    if (controller.signal.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    for (const signal of SIGNALS) host.off(signal, interrupt);
  }
}
