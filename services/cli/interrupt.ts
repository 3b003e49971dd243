// Ctrl-C and SIGTERM, for commands that take their time.
import { type CliHost, EXIT } from "./host.ts";

/**
 * Runs `work` with a signal that is aborted by Ctrl-C or SIGTERM. When work ends after that, by whatever error or
 * result, the exit code says "interrupted".
 */
export async function untilInterrupted(
  host: CliHost,
  work: (interrupt: AbortSignal) => Promise<number>,
): Promise<number> {
  const controller = new AbortController();
  const interrupt = () => controller.abort();
  host.on("SIGINT", interrupt);
  host.on("SIGTERM", interrupt);
  try {
    const code = await work(controller.signal);
    return controller.signal.aborted ? EXIT.interrupted : code;
  } catch (error) {
    if (controller.signal.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    host.off("SIGINT", interrupt);
    host.off("SIGTERM", interrupt);
  }
}
