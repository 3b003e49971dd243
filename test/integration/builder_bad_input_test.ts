// What operators and clouds get wrong is named where they look, in the status, the log and the history; the rest goes on.
import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { beforeEach, describe, test } from "node:test";
import { findProgram } from "../../lib/host/machine.ts";
import { type ImageSpec, ProviderError } from "../../lib/provider/contract.ts";
import { connectClients } from "../../lib/rpc/client.ts";
import { BuildAttempt_Result } from "../../lib/rpc/gen/nodepool/v1/image.ts";
import { computeChecksums } from "../../services/builder/image_files.ts";
import type { BuilderCase, BuilderSetting, TestBuilder } from "../harness/builder.ts";
import { serveBuilder } from "../harness/builder_api.ts";
import { FakeImageProvider } from "../harness/fake_image_provider.ts";
import { until } from "../harness/launcher.ts";
import { freePort } from "../harness/ports.ts";
import { startProgram } from "../harness/program.ts";
import { builderCases } from "../harness/suites.ts";
import { zooKeeperInstalled } from "../harness/zookeeper.ts";

const hasDib = process.getuid?.() === 0 && (await findProgram("disk-image-create")) !== null;

/** A cloud that looks at what it gets. */
class StrictProvider extends FakeImageProvider {
  override async uploadImage(spec: ImageSpec, signal: AbortSignal): Promise<string> {
    if (spec.format !== "qcow2") throw new ProviderError(`disk format ${spec.format} is not allowed here`);
    const { sha256 } = await computeChecksums(spec.path);
    if (spec.sha256 !== sha256)
      throw new ProviderError(`the image's sha256 is ${sha256}, not ${spec.sha256}`);
    return super.uploadImage(spec, signal);
  }
}

let one: BuilderCase;
let cloud: StrictProvider;
let lines: string[];

const logger = (() => {
  const line = (message: string, fields?: object) => lines.push(`${message} ${JSON.stringify(fields)}`);
  const own = { debug: line, info: line, warn: line, error: line, child: () => own };
  return own;
})();

/** A fine image beside what the test gives. */
async function start(
  images: BuilderSetting["images"],
  config: BuilderSetting["providers"][number]["config"] = {},
): Promise<TestBuilder> {
  const fine = { dibCommand: await one.plainCommand() };
  const names = [...Object.keys(images), "fine"];
  const providers = [{ driver: cloud, images: names, config }];
  return await one.start({ images: { ...images, fine }, providers }, { logger });
}

async function isFine(builder: TestBuilder): Promise<void> {
  await until("the other image is uploaded", () =>
    builder.uploads("fine").some(({ record }) => record?.state === "ready"),
  );
}

/** Waits until the last error of the image fits; it is in the log too. */
async function named(builder: TestBuilder, image: string, message: RegExp): Promise<void> {
  const api = await serveBuilder(builder);
  let last = "";
  try {
    await until(`${image}: ${message}`, async () => {
      const { images } = await api.images.listImages({});
      last = images.find(({ name }) => name === `images/${image}`)?.lastError ?? "";
      return message.test(last);
    });
  } catch (error) {
    assert.fail(`${error}; the last error is: ${last}`);
  } finally {
    await api.close();
  }
  assert.ok(
    lines.some((line) => message.test(line)),
    "the log does not say so",
  );
}

describe("what is wrong is named, and the other images go on", { skip: !zooKeeperInstalled }, () => {
  const cases = builderCases();
  beforeEach(async () => {
    one = await cases.begin();
    cloud = new StrictProvider("cloud");
    lines = [];
  });

  test("a build command that is not there, and one that is not executable", async () => {
    const plain = join(one.folder, "plain");
    await writeFile(plain, "#!/bin/sh\n");
    await chmod(plain, 0o644);
    const builder = await start({ absent: { dibCommand: "/no/such/dib" }, plain: { dibCommand: plain } });
    await isFine(builder);
    await named(builder, "absent", /cannot run \/no\/such\/dib: there is no such file/);
    await named(builder, "plain", /cannot run .*plain: it is not executable/);
  });

  test("an element that is not found", { skip: !hasDib }, async () => {
    const image = { dibCommand: "disk-image-create -n", elements: ["no-such-element"] };
    const builder = await start({ broken: image });
    await isFine(builder);
    await named(builder, "broken", /ended with status \d+: .*no-such-element.*; its log is /);
  });

  test("a log folder that cannot be written", async () => {
    await writeFile(join(one.folder, "file"), "where a folder should be");
    const logDir = join(one.folder, "file", "logs");
    const builder = await one.start({ images: { ubuntu: {} }, providers: [], logDir }, { logger });
    await named(builder, "ubuntu", /cannot write the build log in .*file\/logs: .*set another build-log-dir/);
  });

  test("a provider that refuses the format", async () => {
    const raw = {
      dibCommand: await one.command('echo x >"$out.raw"; echo x >"$out.qcow2"'),
      formats: ["raw"],
    };
    const builder = await start({ raw }, { imageFormat: "raw" });
    await named(builder, "raw", /disk format raw is not allowed here/);
  });

  test("an unknown parent and an image given twice, in a running builder's file", async () => {
    const file = join(one.folder, "nodepool.yaml");
    const dibCommand = await one.plainCommand();
    const common = [
      `zookeeper-servers: [{host: 127.0.0.1, port: ${cases.server.port}, chroot: ${one.folder.replaceAll("/", "-").replace(/^-*/, "/")}}]`,
      `images-dir: ${join(one.folder, "images")}`,
      `build-log-dir: ${join(one.folder, "logs")}`,
      "diskimages:",
      `- {name: fine, formats: [qcow2], dib-cmd: ${dibCommand}}`,
    ];
    await mkdir(join(one.folder, "images"));
    await writeFile(file, common.join("\n"));
    const address = `127.0.0.1:${await freePort()}`;
    const daemon = startProgram("services/builder/main.ts", ["-c", file, "--listen", address]);
    const clients = connectClients({ launcherAddress: address, builderAddress: address });
    try {
      await daemon.waitFor(/"msg":"build ready"/);
      const more = ["- {name: orphan, parent: nobody}", "- {name: fine, formats: [qcow2], dib-cmd: 'false'}"];
      await writeFile(file, [...common, ...more].join("\n"));
      const { config } = await clients.builderConfig.reloadConfig({});
      const problems = (config?.problems ?? []).join("\n");
      assert.match(problems, /diskimages\[1\]\.parent.*nobody, which is not among the diskimages/);
      assert.match(problems, /diskimages\[2\]\.name.*fine already defined above/);
      await daemon.waitFor(/nobody, which is not among the diskimages/);
      await clients.images.buildImage({ name: "images/fine" });
      await until("the other image goes on", async () => {
        const { attempts } = await clients.images.listBuildHistory({ parent: "images/fine" });
        return attempts.filter(({ result }) => result === BuildAttempt_Result.RESULT_READY).length === 2;
      });
    } finally {
      clients.close();
      await daemon.stop("SIGTERM");
    }
  });

  test("an image that arrives with another checksum", async () => {
    const dibCommand = await one.command(
      'echo x >"$out.qcow2"; for sum in md5 sha256; do head -c 64 /dev/zero | tr "\\0" 0 >"$out.qcow2.$sum"; done',
    );
    const builder = await start({ spoiled: { dibCommand } });
    await isFine(builder);
    await named(builder, "spoiled", /the image's sha256 is [0-9a-f]{64}, not 0{64}/);
  });
});
