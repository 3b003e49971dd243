// What a builder process measures and traces, as it leaves the process.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, test } from "node:test";
import type { BuilderCase } from "../harness/builder.ts";
import { until } from "../harness/launcher.ts";
import { freePort } from "../harness/ports.ts";
import { startProgram } from "../harness/program.ts";
import { builderCases } from "../harness/suites.ts";
import { zooKeeperInstalled } from "../harness/zookeeper.ts";

let one: BuilderCase;

const METRICS = [
  ...["build.duration", "upload.duration", "action.duration", "image.size"],
  ...["builds", "uploads", "requests", "image.age", "missing", "work", "queue", "failing", "disk.free"],
];
const SPANS = [...["build", "command", "checksums", "upload", "hook"], ...["delete_upload", "delete_build"]];

describe("a builder's telemetry", { skip: !zooKeeperInstalled }, () => {
  const cases = builderCases();
  beforeEach(async () => {
    one = await cases.begin();
  });

  test("tells of every operation, in metrics and in spans", async () => {
    const file = join(one.folder, "nodepool.yaml");
    const images = join(one.folder, "images");
    const plain = await one.plainCommand();
    const refused = join(one.folder, "refused");
    await writeFile(refused, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    const provider = (name: string, hook: string) =>
      `- {name: ${name}, driver: fake, post-upload-hook: ${hook}, diskimages: [{name: fine}], pools: []}`;
    const lines = [
      `zookeeper-servers: [{host: 127.0.0.1, port: ${cases.server.port}, chroot: ${one.folder.replaceAll("/", "-").replace(/^-*/, "/")}}]`,
      `images-dir: ${images}`,
      `build-log-dir: ${join(one.folder, "logs")}`,
      "diskimages:",
      `- {name: fine, rebuild-age: 1, dib-cmd: ${plain}}`,
      "- {name: broken, formats: [qcow2], dib-cmd: 'false'}",
      "providers:",
      provider("cloud", "/bin/true"),
      provider("strict", refused),
    ];
    await mkdir(images);
    await writeFile(file, lines.join("\n"));
    const address = `127.0.0.1:${await freePort()}`;
    const daemon = startProgram("services/builder/main.ts", ["-c", file, "--listen", address], {
      OTEL_TRACES_EXPORTER: "console",
      OTEL_METRICS_EXPORTER: "console",
      OTEL_METRIC_EXPORT_INTERVAL: "1000",
      OTEL_METRIC_EXPORT_TIMEOUT: "500",
    });
    try {
      const told = (name: string) => new RegExp(`(?<![\\w.])${name}(?![\\w.])`).test(daemon.output());
      const missing = () => [
        ...METRICS.filter((name) => !told(`nodepool.builder.${name}`)),
        ...SPANS.filter((name) => !told(`image.${name}`)),
      ];
      await until("all is told", () => missing().length === 0).catch((error: unknown) =>
        assert.fail(`${error}; still missing: ${missing()}`),
      );
      await daemon.waitFor(/action: ["']delete-build/);
    } finally {
      await daemon.stop("SIGTERM");
    }
  });
});
