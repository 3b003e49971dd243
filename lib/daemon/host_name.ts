// The name of this machine, as Nodepool's component records and pool names have it (Python's socket.getfqdn).
import { lookup, lookupService } from "node:dns/promises";
import { hostname } from "node:os";

const PATIENCE_MS = 2000;

/** This host's fully qualified name, or its short one when no name service knows better. */
export async function fullHostName(): Promise<string> {
  const short = hostname();
  if (short.includes(".")) return short;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const patience = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(short), PATIENCE_MS);
  });
  const found = await Promise.race([askNameService(short), patience]);
  clearTimeout(timer);
  return found;
}

/** What tells this process from all others of its service, and a reader on which machine it runs. @param uuid a new one */
export function instanceName(uuid: string): string {
  return `${hostname()}-${uuid.slice(0, 8)}`;
}

async function askNameService(short: string): Promise<string> {
  try {
    const { address } = await lookup(short);
    const { hostname: name } = await lookupService(address, 0);
    return name.includes(".") && !name.startsWith("localhost") ? name : short;
  } catch {
    return short;
  }
}
