// Hosts for tests of the launcher's decisions, beside what world.ts has.
import type { Host, HostCheck } from "../../lib/provider/contract.ts";
import { identityOf } from "../../lib/provider/static/hosts.ts";
import type { HeldLock } from "../../lib/zookeeper/types.ts";
import type { Hand, HostStatus } from "../../services/launcher/actions.ts";
import type { ReadableNode } from "../../services/launcher/pool/node_share.ts";
import type { ServedPool } from "../../services/launcher/pool/served.ts";
import { NOW, node, pool } from "./world.ts";

export const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEtFWQ==";
export const OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9USA==";

/** A host `h` with one slot for the label `small`. */
export function host(more: Partial<Omit<Host, "identity">> = {}): Host {
  const fields = { name: "h", username: "zuul", port: 22, ...more };
  return {
    pool: "main",
    connectionType: "ssh",
    shellType: null,
    pythonPath: "auto",
    labels: ["small"],
    slots: 1,
    timeout: 5,
    hostKeyChecking: true,
    hostKeys: [KEY],
    problem: null,
    ...fields,
    identity: identityOf(fields.username, fields.name, fields.port),
  };
}

/** A pool of hosts named provider/pool. */
export function hostPool(name: string, hosts: readonly Host[]): ServedPool {
  const labels = [...new Set(hosts.flatMap((one) => one.labels))];
  return { ...pool(name, labels, { provider: { driver: "static" } }), hosts };
}

/** The record of a slot of `h` at lab/main, as it is when all is well. */
export function slotNode(
  id: string,
  state: Parameters<typeof node>[1],
  slot: number,
  more: Parameters<typeof node>[2] = {},
): ReadableNode {
  const fields = {
    provider: "lab",
    hostname: "h",
    externalId: "h",
    interfaceIp: "h",
    publicIpv4: "192.0.2.1",
    username: "zuul",
    connectionPort: 22,
    sshPort: 22,
    connectionType: "ssh",
    pythonPath: "auto",
    hostKeys: [KEY],
    launcher: "static driver",
    slot,
  };
  const entry = node(id, state, { ...fields, ...more });
  if (entry.record === null) throw new Error("a record was made");
  return { ...entry, record: entry.record };
}

export const FOUND: HostCheck = { hostKeys: [KEY], ipv4: "192.0.2.1", ipv6: null };

/** What is known of a host that was checked `ago` seconds ago, with what was found or what was wrong. */
export function checked(
  one: Host,
  found: HostCheck | string = FOUND,
  { ago = 0, failures = 1, checkingSince = null as number | null } = {},
): HostStatus {
  const time = { from: NOW - ago, at: NOW - ago };
  if (typeof found !== "string") {
    return { host: one, checkingSince, failures: 0, last: { ...time, found, problem: null } };
  }
  return { host: one, checkingSince, failures, last: { ...time, found: null, problem: found } };
}

/** What is in hand of a launcher that knows this of the hosts of `lab`, and keeps them. */
export function knowing(...known: readonly HostStatus[]): Partial<Hand> {
  const lock = { signal: new AbortController().signal } as HeldLock;
  return {
    hosts: new Map(known.map((status) => [`lab/${status.host.identity}`, status])),
    keeping: new Map([["lab", lock]]),
  };
}
