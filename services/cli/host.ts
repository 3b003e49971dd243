// The outside world of the command line, handed in by main.ts, and what its exit codes mean.

/** Exit codes of `nodepool`. */
export const EXIT = {
  ok: 0,
  /** Refused, failed, or not found. */
  failed: 1,
  /** Wrong words on the command line. */
  usage: 2,
  /** No server answered. */
  unreachable: 69,
  /** Ended by Ctrl-C, SIGTERM or SIGHUP. */
  interrupted: 130,
} as const;

/** Where text goes. */
export interface TextOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** What ends a program: a terminal's Ctrl-C, somebody's hand, and the terminal's end. */
export type EndSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

/** The part of Node's `process` that the command line uses. */
export interface CliHost {
  /** With program and script, as Node has it. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  on(signal: EndSignal, listener: () => void): unknown;
  off(signal: EndSignal, listener: () => void): unknown;
}

/** The words were understood, and are wrong: as for an option that is missing. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** What was asked for cannot be done, in one sentence. */
export class CommandError extends Error {
  override name = "CommandError";
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}
