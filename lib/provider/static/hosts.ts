// The hosts of a provider with `driver: static`, as its configuration has them. Pure.
import type { PoolConfig, ProviderConfig } from "../../config/types.ts";
import { parseHostKey } from "../../std/host_key.ts";
import type { Host } from "../contract.ts";

/** The hosts of a pool, each identity once in the provider; null for a provider that launches its nodes. */
export function hostsOf(provider: ProviderConfig, pool: PoolConfig): readonly Host[] | null {
  if (provider.driver !== "static") return null;
  return readHosts(provider).hosts.filter((host) => host.pool === pool.name);
}

/** Every host, and a sentence for each that cannot be served beside another. */
export function readHosts(provider: ProviderConfig): {
  readonly hosts: readonly Host[];
  readonly problems: readonly string[];
} {
  const hosts = new Map<string, Host>();
  const problems: string[] = [];
  for (const pool of provider.pools) {
    for (const settings of entriesOf(pool.settings.nodes)) {
      const host = readHost(pool.name, settings);
      const other = hosts.get(host.identity);
      if (other === undefined) hosts.set(host.identity, host);
      else {
        problems.push(
          `host ${host.identity} of pool ${host.pool} is left out: pool ${other.pool} has it already; change its name, username or connection-port, or use max-parallel-jobs`,
        );
      }
    }
  }
  return { hosts: [...hosts.values()], problems };
}

type Settings = Readonly<Record<string, unknown>>;

function entriesOf(value: unknown): readonly Settings[] {
  if (!Array.isArray(value)) return [];
  return value.filter((entry): entry is Settings => typeof entry === "object" && entry !== null);
}

const textOf = (value: unknown, otherwise: string) => (typeof value === "string" ? value : otherwise);
const numberOf = (value: unknown, otherwise: number) => (typeof value === "number" ? value : otherwise);

function wordsOf(value: unknown): string[] {
  const words = Array.isArray(value) ? value : textOf(value, "").split(/\s+/);
  return words.filter((word): word is string => typeof word === "string" && word !== "");
}

function readHost(pool: string, settings: Settings): Host {
  const name = textOf(settings.name, "");
  const username = textOf(settings.username, "zuul");
  const port = numberOf(settings["connection-port"], numberOf(settings["ssh-port"], 22));
  const given = settings["host-key"] ?? [];
  const keys = (Array.isArray(given) ? given : [given]).map((key) => parseHostKey(String(key)));
  const wrong = keys.find((key) => typeof key === "string");
  return {
    identity: identityOf(username, name, port),
    pool,
    name,
    username,
    port,
    connectionType: textOf(settings["connection-type"], "ssh"),
    shellType: typeof settings["shell-type"] === "string" ? settings["shell-type"] : null,
    pythonPath: textOf(settings["python-path"], "auto"),
    labels: [...new Set(wordsOf(settings.labels))],
    slots: numberOf(settings["max-parallel-jobs"], 1),
    timeout: numberOf(settings.timeout, 5),
    hostKeyChecking: settings["host-key-checking"] !== false,
    hostKeys: keys.flatMap((key) => (typeof key === "string" ? [] : [key.line])),
    problem: wrong === undefined ? null : `its host-key in the configuration cannot be read: ${wrong}`,
  };
}

/** The words by which a host is known. */
export function identityOf(username: string, name: string, port: number): string {
  return `${username}@${name}:${port}`;
}
