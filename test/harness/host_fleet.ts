// Many hosts: real SSH servers on many loopback addresses, and some that hang.
import type { HostSettings } from "./hosts.ts";
import type { SshServers } from "./sshd.ts";

/** As many addresses as one SSH server listens on. */
const ADDRESSES = 16;

/** How a fleet is made. */
export interface FleetPlan {
  /** Hosts in all. */
  readonly hosts: number;
  /** Hosts of them that take connections and say nothing. */
  readonly hanging: number;
  /** Slots of each host. */
  readonly slots: number;
  /** How long a check may take, in seconds. */
  readonly timeout: number;
}

/** A fleet that runs. */
export interface Fleet {
  readonly good: readonly HostSettings[];
  readonly hanging: readonly HostSettings[];
}

/** Starts the servers, all with one key that the hosts' settings have. The label is `small`. */
export async function startFleet(servers: SshServers, plan: FleetPlan): Promise<Fleet> {
  const key = await servers.key();
  const common = { labels: ["small"], "max-parallel-jobs": plan.slots, timeout: plan.timeout };
  const silent = await servers.startHanging();
  const hanging = Array.from({ length: plan.hanging }, (_none, index) => {
    return { ...common, username: `silent${index}`, "connection-port": silent.port, "host-key": key.line };
  });
  const names = Array.from({ length: plan.hosts - plan.hanging }, (_none, index) => {
    return `127.1.${Math.floor(index / 250)}.${(index % 250) + 1}`;
  });
  const good: HostSettings[] = [];
  for (let from = 0; from < names.length; from += ADDRESSES) {
    const own = names.slice(from, from + ADDRESSES);
    const { port } = await servers.start([key], undefined, own);
    for (const name of own) good.push({ ...common, name, "connection-port": port, "host-key": key.line });
  }
  return { good, hanging };
}
