import {
  nodeLockPath,
  nodePath,
  ROOT,
  uploadPath,
  uploadsLockPath,
  uploadsPath,
} from "../../../lib/model/paths.ts";
import { failedPrecondition, notFound } from "../../../lib/rpc/errors.ts";
import type {
  EraseProviderDataRequest,
  EraseProviderDataResponse,
} from "../../../lib/rpc/gen/nodepool/v1/provider.ts";
import { formatName, parseName } from "../../../lib/rpc/names.ts";
import { catchUp } from "../../../lib/zookeeper/settle.ts";
import { isZooKeeperError, type Session } from "../../../lib/zookeeper/types.ts";
import type { NodeEntry, UploadEntry } from "../../../lib/zookeeper/view.ts";
import { uploadsAt } from "../external_ids.ts";
import type { Shared } from "./shared.ts";

/**
 * Deletes the records of a provider, and nothing at the provider. When its caller has gone it ends before the next record.
 *
 * @throws INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION while the provider is served
 */
export async function eraseProviderData(
  { environment }: Shared,
  { name }: EraseProviderDataRequest,
  signal: AbortSignal,
): Promise<EraseProviderDataResponse> {
  const { provider = "" } = parseName("providers/{provider}", name);
  const { config, session, view, logger } = environment.context;
  await catchUp(environment.context, ROOT);
  const servedAt = [...view.pools()].find(({ record }) => record?.providerName === provider)?.record
    ?.hostname;
  if (servedAt !== undefined || config.providers.some((candidate) => candidate.name === provider)) {
    throw stillServed(name, servedAt ?? environment.context.hostname);
  }
  const nodes = [...view.nodes()].filter(({ record }) => record?.provider === provider);
  const uploads = uploadsAt(view, provider);
  if (nodes.length + uploads.length === 0) throw notFound("record of provider", name);

  const kept: string[] = [];
  for (const node of nodes) {
    signal.throwIfAborted();
    if (!(await eraseNode(session, node))) kept.push(formatName("nodes/{node}", { node: node.id }));
  }
  const keptNodes = kept.length;
  for (const upload of uploads) {
    signal.throwIfAborted();
    if (!(await eraseUpload(session, upload))) kept.push(uploadName(upload));
  }
  const erasedNodes = nodes.length - keptNodes;
  const erasedUploads = uploads.length - (kept.length - keptNodes);
  logger.warn("records of a provider were erased by a caller", {
    provider,
    erasedNodes,
    erasedUploads,
    kept,
  });
  return { erasedNodes, erasedUploads, kept };
}

/** What runs there would go on without its record, or be removed as leaked, however it is used. */
function stillServed(name: string, at: string | null): Error {
  const where = at === null ? "a launcher has it" : `the launcher at ${at} has it`;
  const remedy = "take it out of every configuration first, then erase what is left";
  return failedPrecondition(
    "PROVIDER_SERVED",
    `${name} is still served: ${where} in its configuration; ${remedy}`,
    { name },
  );
}

/** The lock's root is deleted first, which ZooKeeper refuses while anybody holds or waits for the lock. */
async function eraseNode(session: Session, { id, lock }: NodeEntry): Promise<boolean> {
  if (lock.contenders.length > 0) return false;
  const lockRoots = lock.exists ? [nodeLockPath(id)] : [];
  return await unlessLocked(() => deleteTogether(session, [...lockRoots, nodePath(id)]));
}

async function eraseUpload(session: Session, entry: UploadEntry): Promise<boolean> {
  const { image, build, provider, upload } = entry;
  const path = uploadPath(image, build, provider, upload);
  const erased = await unlessLocked(async () => {
    const lockRoots = (await session.children(path)).map((child) => `${path}/${child}`);
    await deleteTogether(session, [...lockRoots, path]);
  });
  // The build's part for the provider goes with its last upload, unless somebody is about to upload there.
  if (erased) await unlessLocked(() => deleteEmptyPart(session, image, build, provider));
  return erased;
}

async function deleteEmptyPart(
  session: Session,
  image: string,
  build: string,
  provider: string,
): Promise<void> {
  const part = uploadsPath(image, build, provider);
  const children = (await session.children(part)).map((child) => `${part}/${child}`);
  if (children.some((child) => child !== uploadsLockPath(image, build, provider))) return;
  await deleteTogether(session, [...children, part, part.slice(0, part.lastIndexOf("/"))]);
}

async function deleteTogether(session: Session, paths: readonly string[]): Promise<void> {
  await session.multi(paths.map((path) => ({ kind: "delete", path, version: -1 })));
}

/** Does it, or says that a lock is in the way. What has gone meanwhile is done. */
async function unlessLocked(erase: () => Promise<void>): Promise<boolean> {
  try {
    await erase();
    return true;
  } catch (error) {
    if (isZooKeeperError(error, "NO_NODE")) return true;
    if (isZooKeeperError(error, "NOT_EMPTY")) return false;
    throw error;
  }
}

function uploadName({ image, build, provider, upload }: UploadEntry): string {
  const pattern = "images/{image}/builds/{build}/providers/{provider}/uploads/{upload}";
  return formatName(pattern, { image, build, provider, upload });
}
