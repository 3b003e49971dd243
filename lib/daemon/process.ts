// The process as a daemon sees it, and what its exit codes mean. The numbers above 63 are those of sysexits(3).

/** Exit codes of a daemon. */
export const EXIT = {
  /** Stopped as it was told to. */
  ok: 0,
  /** A flag is wrong. */
  usage: 2,
  /** The address to listen on cannot be had. */
  unavailable: 69,
  /** A defect: an error that nobody caught, or a stop that did not end in time. */
  software: 70,
  /** The pid file cannot be written. */
  cannotCreate: 73,
  /** The configuration cannot be used. */
  config: 78,
} as const;

const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGUSR1: 10, SIGTERM: 15 } as const;

/** A signal that can stop a process of ours. */
export type StopSignal = keyof typeof SIGNAL_NUMBERS;
/** Signals that stop a daemon. SIGUSR1 does as SIGINT, as in Nodepool's launcher. */
export const STOP_SIGNALS: readonly StopSignal[] = ["SIGINT", "SIGUSR1", "SIGTERM"];

/** The exit code after a second signal, as a shell has it for a process that a signal ended. */
export function exitCodeOf(signal: StopSignal): number {
  return 128 + SIGNAL_NUMBERS[signal];
}

/** The part of Node's `process` that a daemon uses; `main.ts` hands it in. */
export interface DaemonProcess {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly stdout: {
    write(text: string): unknown;
    readonly isTTY?: boolean;
    readonly writableLength: number;
    on(event: "error" | "drain", listener: (error: unknown) => void): unknown;
  };
  readonly stderr: {
    write(text: string): unknown;
    on(event: "error", listener: (error: unknown) => void): unknown;
  };
  on(event: string, listener: (first: unknown) => void): unknown;
  exit(code: number): unknown;
}
