// Which folders this process hosts nodes of.
import { realpath } from "node:fs/promises";
import { DirectoryInUseError, lockDirectory } from "../../../host/directory_lock.ts";
import type { Clock } from "../../../std/clock.ts";
import { ProviderError } from "../../contract.ts";

interface Claim {
  readonly unlock: Promise<() => void>;
  users: number;
}

/** While a changed configuration comes into force, a provider's old and new engine have the folder together. */
const claims = new Map<string, Claim>();

/**
 * Takes a folder for this process; the returned function gives it back.
 * @throws {ProviderError} while another process has it: it may help to try again
 */
export async function claimFolder(directory: string, clock: Clock): Promise<() => void> {
  const folder = await realpath(directory);
  const claim = claims.get(folder) ?? { unlock: lockDirectory(folder, "launcher", clock), users: 0 };
  claims.set(folder, claim);
  claim.users += 1;
  const leave = () => {
    claim.users -= 1;
    if (claim.users === 0) claims.delete(folder);
    return claim.users === 0;
  };
  try {
    const unlock = await claim.unlock;
    return () => {
      if (leave()) unlock();
    };
  } catch (error) {
    leave();
    throw error instanceof DirectoryInUseError ? new ProviderError(error.message, { cause: error }) : error;
  }
}
