// The builder's metrics: durations in seconds, sizes in bytes.
import { type BatchObservableResult, metrics } from "@opentelemetry/api";
import type { View } from "../../lib/zookeeper/view.ts";
import type { Board } from "./board.ts";
import { partsOfKey, readyBuilds } from "./plan.ts";
import type { Disk } from "./room.ts";

export type Result = "ready" | "failed";

/** The builder's instruments. */
export interface Metrics {
  build(image: string, result: Result, duration: number): void;
  upload(image: string, provider: string, result: Result, duration: number): void;
  /** @param result `unneeded` when it turned out that there was nothing to do, or that somebody else was at it */
  action(
    action: { readonly kind: string; readonly image: string; readonly provider?: string },
    result: "done" | "unneeded" | "failed",
    duration: number,
  ): void;
  /** What an image file takes on disk. */
  imageSize(image: string, format: string, size: number): void;
}

/** Creates the instruments. To be called when telemetry has begun: what is made before measures nothing. */
export function createMetrics(): Metrics {
  const meter = metrics.getMeter("nodepool");
  const builds = meter.createHistogram("nodepool.builder.build.duration", {
    unit: "s",
    description: "How long an image build took, by image and result",
  });
  const uploads = meter.createHistogram("nodepool.builder.upload.duration", {
    unit: "s",
    description: "How long an upload took, by image, provider and result",
  });
  const actions = meter.createHistogram("nodepool.builder.action.duration", {
    unit: "s",
    description: "How long each action took that was decided on, deletions too, by action, image and result",
  });
  const sizes = meter.createHistogram("nodepool.builder.image.size", {
    unit: "By",
    description: "What an image file takes on disk, by image and format",
  });
  return {
    build: (image, result, duration) => builds.record(duration, { image, result }),
    upload: (image, provider, result, duration) => uploads.record(duration, { image, provider, result }),
    action: ({ kind: action, image, provider }, result, duration) => {
      const place = provider === undefined ? {} : { provider };
      actions.record(duration, { action, image, result, ...place });
    },
    imageSize: (image, format, size) => sizes.record(size, { image, format }),
  };
}

/** What gauges are read from. */
export interface Gauged {
  readonly view: Pick<View, "images" | "current">;
  readonly board: Pick<Board, "decisions" | "outlook" | "setbacks">;
  /** Names of the configured images. */
  readonly images: () => Iterable<string>;
  /** What is left of the disk that images-dir is on. */
  readonly disk: () => Disk | null;
  /** Seconds since the epoch. */
  readonly now: () => number;
}

/** Begins to show how things are whenever somebody collects; returns what ends it. */
export function observeBuilder(gauged: Gauged): () => void {
  const meter = metrics.getMeter("nodepool");
  // A count has no unit: "1" is that of a ratio, and Prometheus' names would say so.
  const gauge = (name: string, description: string, unit = "") =>
    meter.createObservableGauge(name, { description, unit });
  const gauges = {
    builds: gauge("nodepool.builder.builds", "Builds that are recorded, by image and state"),
    uploads: gauge("nodepool.builder.uploads", "Uploads that are recorded, by provider and state"),
    requests: gauge("nodepool.builder.requests", "Images whose build was asked for and is not there yet"),
    age: gauge("nodepool.builder.image.age", "Since the newest ready build of an image was made", "s"),
    missing: gauge(
      "nodepool.builder.missing",
      "Images whose newest build a provider is to have and has not, by provider",
    ),
    work: gauge("nodepool.builder.work", "Actions under way here, by kind"),
    queue: gauge("nodepool.builder.queue", "Actions that wait for a worker, by kind"),
    failing: gauge(
      "nodepool.builder.failing",
      "Actions whose last attempt failed and that are to be tried again, by kind",
    ),
    free: gauge("nodepool.builder.disk.free", "What is left of the disk that images-dir is on", "By"),
  };
  const observe = (result: BatchObservableResult) => {
    const free = gauged.disk()?.free;
    if (free !== undefined) result.observe(gauges.free, free);
    if (!gauged.view.current) return;
    const told: Tally[] = [records(gauged), decisions(gauged)];
    for (const tally of told) {
      for (const [key, value] of tally.counts) {
        const { name, ...attributes } = JSON.parse(key) as { name: keyof typeof gauges };
        result.observe(gauges[name], value, attributes);
      }
    }
  };
  const all = Object.values(gauges);
  meter.addBatchObservableCallback(observe, all);
  return () => meter.removeBatchObservableCallback(observe, all);
}

/** Counts by name and attributes. */
class Tally {
  readonly counts = new Map<string, number>();

  add(name: string, attributes: Readonly<Record<string, string>> = {}, value = 1): void {
    const key = JSON.stringify({ name, ...attributes });
    this.counts.set(key, (this.counts.get(key) ?? 0) + value);
  }
}

function records({ view, now }: Gauged): Tally {
  const tally = new Tally();
  tally.add("requests", {}, 0);
  for (const entry of view.images()) {
    const { image, builds, buildRequest } = entry;
    if (buildRequest !== null) tally.add("requests");
    const newest = readyBuilds(entry)[0]?.record;
    if (newest != null) tally.add("age", { image }, Math.max(0, now() - newest.stateTime));
    for (const { record, uploads } of builds) {
      tally.add("builds", { image, state: record?.state ?? "unreadable" });
      for (const { provider, record: upload } of uploads) {
        tally.add("uploads", { provider, state: upload?.state ?? "unreadable" });
      }
    }
  }
  return tally;
}

function decisions({ board, images }: Gauged): Tally {
  const tally = new Tally();
  for (const kind of ["build", "upload"]) {
    for (const name of ["work", "queue", "failing"]) tally.add(name, { action: kind }, 0);
  }
  for (const image of images()) {
    for (const provider of board.outlook(image).missing.keys()) tally.add("missing", { provider });
    for (const decision of board.decisions(image)) {
      const action = partsOfKey(decision.key).kind;
      const rule = decision.kind === "waiting" ? decision.rule : "running";
      if (rule === "running") tally.add("work", { action });
      if (rule === "workers-busy") tally.add("queue", { action });
    }
  }
  for (const [key, { error }] of board.setbacks) {
    if (error !== null) tally.add("failing", { action: partsOfKey(key).kind });
  }
  return tally;
}
