// Launchers whose providers are hosts, configured as users do.

import { parseConfig } from "../../lib/config/load.ts";
import type { Config } from "../../lib/config/types.ts";
import type { NodeRecord } from "../../lib/model/node.ts";
import { StaticProvider } from "../../lib/provider/static/static_provider.ts";
import { systemClock } from "../../lib/std/clock.ts";
import { type ReadConfig, type TestLauncher, until } from "./launcher.ts";

const PATIENCE_MS = 60_000;

/** A host in a configuration: its keys as in the file. */
export type HostSettings = Readonly<Record<string, unknown>> & {
  readonly labels: readonly string[] | string;
};

/** A configuration of one provider `lab` with the pool `main` of these hosts, all on 127.0.0.1 unless they say where. */
export function hostsConfig(hosts: readonly HostSettings[], pool: object = {}): ReadConfig {
  return readConfig(hostsDocument(hosts, pool));
}

/** The same as nodepool.yaml would have it. */
export function hostsDocument(hosts: readonly HostSettings[], pool: object = {}): object {
  return {
    labels: labelsOf(hosts).map((name) => ({ name })),
    providers: [
      { name: "lab", driver: "static", pools: [{ name: "main", ...pool, nodes: hosts.map(named) }] },
    ],
  };
}

const named = (host: HostSettings) => ({ name: "127.0.0.1", timeout: 10, ...host });

function labelsOf(hosts: readonly HostSettings[]): string[] {
  const words = hosts.flatMap(({ labels }) => (typeof labels === "string" ? labels.split(" ") : labels));
  return [...new Set(words)];
}

/** A document with its static providers open. */
function readConfig(document: object): ReadConfig {
  const config: Config = parseConfig(JSON.stringify(document), "/etc/nodepool/nodepool.yaml");
  const providers = config.providers
    .filter(({ driver }) => driver === "static")
    .map((provider) => new StaticProvider(provider, systemClock));
  return { config, providers };
}

export async function reloadHosts(launcher: TestLauncher, next: ReadConfig): Promise<void> {
  await launcher.service.reconfigure?.({ ...next, unserved: [], generation: 2 });
}

/** The records that a launcher sees, in the order of their ids. */
export function recordsIn({ view }: Pick<TestLauncher, "view">): NodeRecord[] {
  const nodes = [...view.nodes()].sort((one, other) => (one.id < other.id ? -1 : 1));
  return nodes.flatMap(({ record }) => record ?? []);
}

/** The records of hosts, one line each: "0 ready user@name:port labels". */
export function slotLines(launcher: Pick<TestLauncher, "view">): string[] {
  return recordsIn(launcher)
    .map((record) => {
      const identity = `${record.username}@${record.hostname}:${record.connectionPort}`;
      return `${record.slot} ${record.state} ${identity} ${record.type.join()}`;
    })
    .sort();
}

/** Waits until there are exactly these records, as {@link slotLines} tells them. */
export async function untilSlots(
  launcher: Pick<TestLauncher, "view">,
  ...lines: readonly string[]
): Promise<void> {
  const wanted = [...lines].sort().join("\n");
  const found = () => slotLines(launcher).join("\n");
  await until(`slots ${wanted}`, () => found() === wanted, PATIENCE_MS).catch((error: Error) => {
    throw new Error(`${error.message}\nthere are ${found()}`);
  });
}
