// Which private key to log in with.
import type { CliHost } from "./host.ts";

/** The file named by the option, else by NODEPOOL_SSH_KEY; null leaves the choice to ssh. */
export function identityOf({ env }: CliHost, option: unknown): string | null {
  if (typeof option === "string") return option;
  return env.NODEPOOL_SSH_KEY ? env.NODEPOOL_SSH_KEY : null;
}
