// The files that a command sends to a daemon.
import { readText } from "../../lib/config/read_text.ts";
import { ConfigError } from "../../lib/config/types.ts";
import { CommandError, EXIT } from "./host.ts";

/** The text of a file that was named on the command line. @throws {CommandError} when it cannot be read */
export async function readGiven(file: string): Promise<string> {
  try {
    return await readText(file);
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandError(error.message, EXIT.failed);
    throw error;
  }
}
