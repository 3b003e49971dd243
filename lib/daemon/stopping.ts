// When a daemon ends: signals, the grace after the first one, and errors that nobody caught.
import type { Clock } from "../std/clock.ts";
import type { Logger } from "../std/logger.ts";
import { type DaemonProcess, EXIT, exitCodeOf, STOP_SIGNALS, type StopSignal } from "./process.ts";
import { createProfiler } from "./profile.ts";

/** How long after the grace the process is ended by force, in milliseconds. */
export const LAST_RESORT_MS = 5000;

/**
 * Signals that follow the first one within this many milliseconds are the same wish: a terminal sends Ctrl-C to a
 * whole process group, and a wrapper such as npm passes it on once more.
 */
const SAME_WISH_MS = 500;

const HANG_UP: StopSignal = "SIGHUP";

/** Whose end it is. */
export interface StoppingOptions {
  readonly host: DaemonProcess;
  readonly program: string;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Where SIGUSR2 puts CPU profiles. */
  readonly profileFolder: string;
  /** What SIGHUP is to it: the terminal that it belongs to is gone, or nothing that concerns its end. @default false */
  readonly endsWithTerminal?: boolean;
}

/** The wish to stop. It listens to the process's signals from the moment in which it is made. */
export class Stopping {
  readonly host: DaemonProcess;
  readonly logger: Logger;
  readonly #controller = new AbortController();
  readonly #stopped: Promise<void>;

  constructor(options: StoppingOptions) {
    const { host, program, logger, clock, profileFolder, endsWithTerminal = false } = options;
    let since = 0;
    this.host = host;
    this.logger = logger;
    this.#stopped = new Promise((resolve) => {
      this.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    for (const signal of endsWithTerminal ? [...STOP_SIGNALS, HANG_UP] : STOP_SIGNALS) {
      host.on(signal, () => {
        if (!this.signal.aborted) {
          since = clock.now();
          logger.info("stopping", { signal });
          this.stop(signal);
          return;
        }
        // The kernel and a shell each tell of a terminal that is gone; neither is impatient.
        if (signal === HANG_UP || clock.now() - since < SAME_WISH_MS) return;
        logger.warn("a second signal: ending at once", { signal });
        host.exit(exitCodeOf(signal));
      });
    }
    const profiler = createProfiler({ folder: profileFolder, name: `${program}-${host.pid}`, logger });
    host.on("SIGUSR2", () => void profiler.toggle());
    const fatal = (message: string) => (error: unknown) => {
      logger.error(message, { error });
      host.exit(EXIT.software);
    };
    host.on("uncaughtException", fatal("uncaught error"));
    host.on("unhandledRejection", fatal("unhandled rejection"));
  }

  /** Aborted when the daemon is to stop. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Resolves when the daemon is to stop. */
  get stopped(): Promise<void> {
    return this.#stopped;
  }

  /** Stops it for this reason. */
  stop(reason: string): void {
    this.#controller.abort(new Error(`stopped by ${reason}`));
  }
}

/** The time in which everything must have ended. */
export interface Grace {
  /** Aborted when it is over. */
  readonly signal: AbortSignal;
  release(): void;
}

/** Begins the grace. A little after its end the process is ended by force, unless it was released. */
export function startGrace({ host, logger }: Stopping, clock: Clock, seconds: number): Grace {
  const controller = new AbortController();
  const cancels = [
    clock.after(seconds * 1000, () => {
      logger.warn("the grace is over: what is left is dropped", { grace: seconds });
      controller.abort(new Error(`the grace of ${seconds} s is over`));
    }),
    clock.after(seconds * 1000 + LAST_RESORT_MS, () => {
      logger.error("it did not stop in time");
      host.exit(EXIT.software);
    }),
  ];
  const release = () => {
    for (const cancel of cancels) cancel();
  };
  return { signal: controller.signal, release };
}
