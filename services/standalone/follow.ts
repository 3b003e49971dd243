// Keeps the screen up to date through the API's own watches, as any client would.
import type { Clients } from "../../lib/rpc/client.ts";
import type { Clock } from "../../lib/std/clock.ts";
import {
  afterImageEvent,
  afterNodeEvent,
  labelsShort,
  NO_PROGRESS,
  type Progress,
  progressLines,
} from "./progress.ts";

/** What to follow, and who hears of it. */
export interface FollowOptions {
  readonly clients: Clients;
  readonly clock: Clock;
  /** Labels and how many ready nodes each is to have. */
  readonly wanted: ReadonlyMap<string, number>;
  readonly show: (lines: readonly string[]) => void;
  /** Called once, when every label has its ready nodes. */
  readonly onAllReady: (progress: Progress) => void;
  readonly signal: AbortSignal;
}

/** How long a broken stream rests before it is opened again, in milliseconds. */
const RETRY_MS = 500;

/** Follows until the signal is aborted. */
export async function followProgress(options: FollowOptions): Promise<void> {
  const { clients, signal } = options;
  let progress = NO_PROGRESS;
  let told = false;
  const update = (next: Progress) => {
    progress = next;
    options.show(progressLines(progress));
    if (told || labelsShort(progress, options.wanted).length > 0) return;
    told = true;
    options.onAllReady(progress);
  };
  await Promise.all([
    keepOpen(options, async () => {
      update({ ...progress, images: new Map(), builds: new Map(), uploads: new Map() });
      for await (const event of clients.images.watchImages({}, { signal }))
        update(afterImageEvent(progress, event));
    }),
    keepOpen(options, async () => {
      update({ ...progress, nodes: new Map() });
      for await (const event of clients.nodes.watchNodes({}, { signal }))
        update(afterNodeEvent(progress, event));
    }),
  ]);
}

async function keepOpen({ clock, signal }: FollowOptions, run: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    try {
      await run();
      await clock.sleep(RETRY_MS, signal);
    } catch {
      // Whatever ended the stream, a new one begins with everything.
      if (!signal.aborted) await clock.sleep(RETRY_MS, signal).catch(() => {});
    }
  }
}
