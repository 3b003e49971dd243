// How an SSH session's command becomes processes of this machine.
import type { Readable, Writable } from "node:stream";
import type { Account } from "./accounts.ts";

/** The size of a terminal in characters. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** What a client wants to run. */
export interface CommandRequest {
  readonly account: Account;
  /** For the account's shell; "shell": the shell itself, as at a login; "sftp": the SFTP server. */
  readonly command: { readonly text: string } | "shell" | "sftp";
  /** On top of what a login sets. */
  readonly environment: Readonly<Record<string, string>>;
  /** The terminal that the client asked for; null for plain pipes. */
  readonly terminal: ({ readonly type: string } & TerminalSize) | null;
}

/** How a command ended: with a code, or by a signal (its name without SIG). */
export interface CommandEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A command under way. */
export interface RunningCommand {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when the command's first process has ended. Never rejects. */
  readonly exited: Promise<CommandEnd>;
  /** Resolves when also nobody holds its output any more: it is over, and what follows does nothing. Never rejects. */
  readonly closed: Promise<void>;
  resize(size: TerminalSize): void;
  /** Sends a signal, named as SSH does (INT, TERM), to the command. */
  signal(name: string): void;
  /** Ends the command and everything that it started, at once. */
  kill(): void;
}

/** Runs commands in nodes of one kind. */
export interface CommandRunner {
  /** How strongly a node is kept apart from this machine, for the node's attributes. */
  readonly isolation: string;
  /** @param node the node's name and the directory that is its root */
  run(
    node: { readonly name: string; readonly root: string },
    request: CommandRequest,
  ): Promise<RunningCommand>;
}
