// Removes from ZooKeeper what is kept there by the names of providers and tenants, once these have left the
// configuration: else it would stay for ever.
import { CLAIMS, HOSTS } from "../../lib/model/paths.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { isZooKeeperError, type Session } from "../../lib/zookeeper/types.ts";
import type { Environment } from "./environment.ts";
import { providerScope } from "./request/chains.ts";
import { allScopes } from "./request/claims.ts";

/**
 * Removes the marks of claims and the locks of hosts of names that neither the configuration has nor a registered pool.
 * A launcher that has another configuration makes what it needs anew.
 */
export async function removeLeftNames({ context }: Environment): Promise<void> {
  const { config, logger, session, view } = context;
  const registered = Array.from(view.pools(), ({ record }) => record?.providerName ?? "");
  const providers = [...config.providers.map(({ name }) => name), ...registered];
  try {
    await removeOthers(session, CLAIMS, [...allScopes(config), ...registered.map(providerScope)]);
    await removeOthers(session, HOSTS, providers.map(encodeURIComponent));
  } catch (error) {
    if (!isZooKeeperError(error)) throw error;
    logger.debug("what names have left is removed at another time", { error: messageOf(error) });
  }
}

/** Removes all below `root` but these, each at once with its children: not where a lock has contenders. */
async function removeOthers(session: Session, root: string, kept: readonly string[]): Promise<void> {
  const left = new Set(await childrenOf(session, root));
  for (const name of kept) left.delete(name);
  for (const name of left) {
    const path = `${root}/${name}`;
    const children = (await childrenOf(session, path)).map((child) => `${path}/${child}`);
    try {
      await session.multi([...children, path].map((at) => ({ kind: "delete", path: at, version: -1 })));
    } catch (error) {
      if (!isZooKeeperError(error, "NO_NODE", "NOT_EMPTY")) throw error;
    }
  }
}

async function childrenOf(session: Session, path: string): Promise<string[]> {
  try {
    return await session.children(path);
  } catch (error) {
    if (isZooKeeperError(error, "NO_NODE")) return [];
    throw error;
  }
}
