// Who a daemon is to a ZooKeeper whose znodes are guarded. Not in nodepool.yaml: Nodepool, which may read the same
// file, has no key for it.
import { readText } from "../config/read_text.ts";
import { ConfigError } from "../config/types.ts";
import type { Identity } from "../zookeeper/preamble.ts";

/** Names the file that holds `USER:PASSWORD`, for ZooKeeper's digest scheme. */
const VARIABLE = "NODEPOOL_ZOOKEEPER_AUTH_FILE";

/** Reads the identities that the environment names; none without it. @throws {ConfigError} naming the file, not its content */
export async function readIdentities(
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly Identity[]> {
  const file = env[VARIABLE];
  if (file === undefined || file === "") return [];
  const credentials = (await readText(file, VARIABLE)).trim();
  if (!/^[^\s:]+:[^\r\n]+$/.test(credentials)) {
    const message = `the file must hold one line, USER:PASSWORD, for ZooKeeper's digest scheme`;
    throw new ConfigError([{ severity: "error", file, line: null, column: null, path: VARIABLE, message }]);
  }
  return [{ scheme: "digest", credentials }];
}
