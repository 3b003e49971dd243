// Builds and uploads that end while the disk is full on which the embedded ZooKeeper has its log, as in standalone.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { silentLogger } from "../../lib/std/logger.ts";
import type { Faults } from "../../lib/zookeeper/embedded/faults.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../../lib/zookeeper/embedded/server.ts";
import { opCode } from "../../lib/zookeeper/embedded/wire.ts";
import type { Checkpoint } from "../../services/builder/checkpoint.ts";
import { BuilderCase } from "../harness/builder.ts";
import { firstUpload, states, ubuntuAt } from "../harness/builder_images.ts";
import { FakeImageProvider } from "../harness/fake_image_provider.ts";
import { until } from "../harness/launcher.ts";

/** The write that finds the disk full ends all connections, the next one is refused. */
const FAILED_TRANSACTIONS = 2;

describe("while the embedded server's disk is full", () => {
  let server: EmbeddedServer;
  let dataDir: string;
  let one: BuilderCase;
  let cloud: FakeImageProvider;
  let faults: Faults;

  beforeEach(async () => {
    faults = {};
    dataDir = await mkdtemp(join(tmpdir(), "nodepool-full-disk-"));
    const switches: Faults = {
      beforeReply: (request) => faults.beforeReply?.(request) ?? "deliver",
      beforeLogWrite: () => faults.beforeLogWrite?.() ?? null,
    };
    server = await startEmbeddedServer({ dataDir, logger: silentLogger, faults: switches });
    one = BuilderCase.at(server, await mkdtemp(join(tmpdir(), "nodepool-builder-")));
    cloud = new FakeImageProvider("cloud");
  });
  afterEach(async () => {
    faults = {};
    await one.end();
    await server.close();
    await rm(dataDir, { recursive: true });
  });

  /** A builder at whose checkpoint the disk gets full, until so many transactions have failed. */
  async function start(checkpoint: Checkpoint) {
    const dibCommand = await one.command('echo run >>"$here/runs"; echo "$out" >"$out.qcow2"');
    const fillDisk = () => {
      let failed = 0;
      faults = {
        beforeLogWrite: () => (failed < FAILED_TRANSACTIONS ? new Error("no space left on device") : null),
        beforeReply: ({ type }) => {
          if (type === opCode.multi) failed += 1;
          return "deliver";
        },
      };
    };
    let isFilled = false;
    const reached = (passed: Checkpoint) => {
      if (passed !== checkpoint || isFilled) return;
      isFilled = true;
      fillDisk();
    };
    return await one.start(await ubuntuAt(one, cloud, { dibCommand }), { reached });
  }

  test("a build that was made counts, and its lock is given back", async () => {
    const builder = await start("build: checksums written");
    await firstUpload(builder);
    assert.deepEqual(states(builder.builds("ubuntu")), ["ready"]);
    assert.equal(await readFile(join(one.folder, "runs"), "utf8"), "run\n");
    await until("the lock is free", () => builder.view.image("ubuntu")?.lock.contenders.length === 0);
  });

  test("an image that was uploaded stays at its provider, and its lock is given back", async () => {
    const builder = await start("upload: file sent");
    const { externalId } = (await firstUpload(builder)).record ?? {};
    assert.deepEqual([...cloud.images.keys()], [externalId]);
    assert.equal(cloud.calls.length, 1, cloud.calls.join());
    await until("the lock is free", () => builder.builds("ubuntu")[0]?.uploading.size === 0);
  });
});
