import { followOutage, STREAM_PATIENCE_MS } from "../../../lib/daemon/outage.ts";
import type { FeedItem } from "../../../lib/rpc/change_feed.ts";
import type { WatchNodesRequest, WatchNodesResponse } from "../../../lib/rpc/gen/nodepool/v1/node.ts";
import { nodeFilter } from "./node_filter.ts";
import { nodeName, toNode } from "./node_message.ts";
import { currentView, type NodeChange, type Shared } from "./shared.ts";

/**
 * Every node, a bookmark, then each change; or with a token, the changes since.
 *
 * @throws UNAVAILABLE when it cannot hear of changes: another launcher may
 */
export async function* watchNodes(
  shared: Shared,
  request: WatchNodesRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchNodesResponse, void, void> {
  const fits = nodeFilter(request.filter);
  const view = currentView(shared);
  const snapshot = function* (): Generator<NodeChange> {
    for (const entry of view.nodes()) if (fits(entry)) yield { id: entry.id, entry };
  };
  const { resumeToken } = request;
  const outage = followOutage(shared.environment, STREAM_PATIENCE_MS, signal);
  try {
    yield* filtered(shared.nodeFeed.watch({ resumeToken, snapshot, signal: outage.signal }), request);
    if (!signal.aborted) outage.signal.throwIfAborted();
  } finally {
    outage.stop();
  }
}

/** What of a feed somebody with a filter is told. */
async function* filtered(
  items: AsyncIterable<FeedItem<NodeChange>>,
  { filter, resumeToken }: WatchNodesRequest,
): AsyncGenerator<WatchNodesResponse, void, void> {
  const fits = nodeFilter(filter);
  const everything = filter === "";
  const isResumed = resumeToken !== "";
  // Nodes that the watcher knows of. After a resumption we cannot know, and a deletion too many does no harm.
  const shown = new Set<string>();
  for await (const { event, bookmark, token } of items) {
    if (event === undefined) {
      yield { event: { $case: "bookmark", value: bookmark }, resumeToken: token };
    } else if (event.entry !== null && fits(event.entry)) {
      shown.add(event.id);
      yield { event: { $case: "upserted", value: toNode(event.entry) }, resumeToken: token };
    } else if (shown.delete(event.id) || isResumed || everything) {
      yield { event: { $case: "deleted", value: nodeName(event.id) }, resumeToken: token };
    }
  }
}
