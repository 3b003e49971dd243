// The files that a command sends to a daemon.
import { readText } from "../../lib/config/read_text.ts";
import { ConfigError } from "../../lib/config/types.ts";
import type { CommandContext } from "./context.ts";
import { CommandError, EXIT } from "./host.ts";

/** The text of a file that was named on the command line with this flag. @throws {CommandError} when it cannot be read */
export async function readGiven(file: string, by: "-c" | "-s"): Promise<string> {
  try {
    return await readText(file, by);
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandError(error.message, EXIT.failed);
    throw error;
  }
}

/** What a daemon calls a file that was sent to it, or a line that begins with that, by the path of the file. */
export function withPath(text: string, { config, secure }: CommandContext["files"]): string {
  return text.replace(/^(secure_)?text(?=:|$)/, (_sent, isSecure?: string) =>
    isSecure === undefined ? config : (secure ?? "secure_text"),
  );
}
