// What another configuration means to a daemon that runs: whether it may come into force, and what of it counts only later.
import { requireZooKeeper } from "../config/require.ts";
import { type Config, ConfigError, type ConfigProblem } from "../config/types.ts";

/**
 * A daemon could not start without servers. A file that was emptied, as it is for a moment when it is written in place,
 * would be a valid configuration without anything.
 *
 * @throws {ConfigError} when no server is named any more
 */
export function requireServers(before: Config, after: Config): void {
  if (before.zookeeper !== null) requireZooKeeper(after);
}

/** Keys that a running daemon does not take, in so far as they have changed. */
export function startOnlyKeys(before: Config, after: Config): string[] {
  const views: readonly (readonly [string, (config: Config) => unknown])[] = [
    // Other servers are taken at once; below another chroot everything would be another.
    [
      "zookeeper-servers (chroot)",
      ({ zookeeper }) => zookeeper?.servers.map(({ chroot }) => chroot).find(Boolean),
    ],
    ["zookeeper-tls", ({ zookeeper }) => zookeeper?.tls],
    ["zookeeper-timeout", ({ zookeeper }) => zookeeper?.timeout],
    ["images-dir", ({ imagesDir }) => imagesDir],
    ["build-log-dir", ({ buildLogDir }) => buildLogDir],
    ["build-log-retention", ({ buildLogRetention }) => buildLogRetention],
  ];
  return views.flatMap(([key, view]) =>
    JSON.stringify(view(before)) === JSON.stringify(view(after)) ? [] : [key],
  );
}

/** Whether the files of the clouds say something else of a provider, as another password. */
export function haveCloudsChanged(before: Config, after: Config): boolean {
  const known = new Map(before.providers.map(({ name, cloudFingerprint }) => [name, cloudFingerprint]));
  return after.providers.some(({ name, cloudFingerprint }) => cloudFingerprint !== known.get(name));
}

/** Why another configuration cannot come into force, though it can be read. */
export function refusalsOf(inForce: Config, next: Config): readonly ConfigProblem[] {
  try {
    requireServers(inForce, next);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}
