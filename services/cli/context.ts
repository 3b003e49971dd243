// What every command works with.
import type { Clients } from "../../lib/rpc/client.ts";
import type { Clock } from "../../lib/std/clock.ts";
import type { CliHost } from "./host.ts";

/** Words of the command line after `--`; null when there is no `--`. */
export type Trailing = readonly string[] | null;

/** Handed to each command. */
export interface CommandContext {
  readonly host: CliHost;
  readonly clock: Clock;
  readonly output: "table" | "json";
  readonly launcherAddress: string;
  /** The configuration and the secure file, for commands that read them. */
  readonly files: { readonly config: string; readonly secure: string | null };
  readonly trailing: Trailing;
  /** Clients of the launcher and the builder; made at the first use. */
  clients(): Promise<Clients>;
}

/** A command: returns its exit code. */
export type Command = (
  context: CommandContext,
  args: readonly string[],
  options: Readonly<Record<string, unknown>>,
) => Promise<number>;
