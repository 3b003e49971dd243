// What a driver takes from the process that opens a provider.
import type { Clock } from "../std/clock.ts";
import type { Logger } from "../std/logger.ts";

/** How a provider is opened. */
export interface ProviderOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Where the driver keeps what it must find again after a restart, unless the configuration says where. */
  readonly stateDir: string | null;
  /** Whether stop() stops the instances without deleting them, and start() starts them again. */
  readonly ownsInstances: boolean;
  /** Whether this process is the one that runs instances which have no machine of their own. */
  readonly hostsInstances: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** To be called when the problem that describe() tells comes, goes or changes after the start. */
  readonly onProblem: () => void;
}
