import { ROOT } from "../model/paths.ts";
import { isZooKeeperError, type Session } from "./types.ts";
import type { View } from "./view.ts";

/**
 * Waits until all that is known to have happened to these paths is shown, and with it what was written before them:
 * see {@link View.isPending}. `paths` is asked anew each time, for they may depend on what is shown.
 */
export async function settle(
  view: Pick<View, "isPending" | "settled">,
  paths: () => readonly string[],
): Promise<void> {
  while (paths().some((path) => view.isPending(path))) await view.settled();
}

/** Waits until the view shows all that anybody has written at and below `path` until now. */
export async function catchUp(
  { session, view }: { readonly session: Pick<Session, "sync">; readonly view: Pick<View, "settled"> },
  path: string,
): Promise<void> {
  await session.sync(path);
  await view.settled();
}

/**
 * Waits until all that is being written at the moment, wherever, is carried out or never will be. A leader refuses a write
 * already because of another one that is not carried out yet, and where it is the leader whose client we are, its `sync`
 * does not wait for that one. An answer to a write of ours does, also a refusal, as writes have one order. Costs a
 * transaction.
 */
export async function afterAllWrites(session: Pick<Session, "multi">): Promise<void> {
  try {
    await session.multi([{ kind: "check", path: ROOT, version: -1 }]);
  } catch (error) {
    if (!isZooKeeperError(error, "NO_NODE")) throw error;
  }
}

/** Waits until the view shows all that was written until now, and what is being written at the moment: see {@link afterAllWrites}. */
export async function catchUpWithWrites({
  session,
  view,
}: {
  readonly session: Pick<Session, "multi">;
  readonly view: Pick<View, "settled">;
}): Promise<void> {
  await afterAllWrites(session);
  await view.settled();
}
