// The builder's metrics: durations in seconds, sizes in bytes.
import { metrics } from "@opentelemetry/api";

const meter = metrics.getMeter("nodepool");
const buildDuration = meter.createHistogram("nodepool.builder.build.duration", {
  unit: "s",
  description: "How long an image build took, by image and result",
});
const uploadDuration = meter.createHistogram("nodepool.builder.upload.duration", {
  unit: "s",
  description: "How long an upload took, by image, provider and result",
});
const imageSize = meter.createHistogram("nodepool.builder.image.size", {
  unit: "By",
  description: "What an image file takes on disk, by image and format",
});

export type Result = "ready" | "failed";

export function recordBuild(image: string, result: Result, duration: number): void {
  buildDuration.record(duration, { image, result });
}

export function recordUpload(image: string, provider: string, result: Result, duration: number): void {
  uploadDuration.record(duration, { image, provider, result });
}

export function recordImageSize(image: string, format: string, size: number): void {
  imageSize.record(size, { image, format });
}
