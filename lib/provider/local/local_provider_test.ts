// Which engine a local provider takes, and what it says about it.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import {
  imageSpec,
  localConfig,
  startLocalProvider,
  temporaryDirectory,
} from "../../../test/harness/local_provider.ts";
import { makeRootfs } from "../../../test/harness/rootfs.ts";
import { silentLogger } from "../../std/logger.ts";
import { ProviderError } from "../contract.ts";
import { openProvider } from "../registry.ts";

const signal = () => AbortSignal.timeout(60_000);

describe("the engine of a local provider", () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let nowhere: string;
  beforeEach(async () => {
    directory = await temporaryDirectory();
    nowhere = join(directory.path, "no.sock");
  });
  afterEach(() => directory.remove());

  const refusal = async (settings: object) => {
    const provider = await openProvider(localConfig({ ...settings, "state-dir": directory.path }), {
      logger: silentLogger,
    });
    const error = await provider.start(signal()).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    await provider.stop();
    assert.ok(error instanceof ProviderError);
    assert.ok(error.message.includes(provider.describe().problem ?? "a problem"));
    return error.message;
  };

  test("is the sandbox where no container engine answers, and the reason is told", async () => {
    const provider = await startLocalProvider(directory.path, { socket: nowhere });
    const { summary, problem } = provider.describe();
    assert.match(summary, /^sandbox \(bubblewrap/);
    assert.equal(problem, `no Docker API socket answered: ${nowhere} does not exist`);
    await provider.stop();
  });

  test("is the sandbox without any problem where the configuration names it", async () => {
    const provider = await startLocalProvider(directory.path, { engine: "sandbox", socket: nowhere });
    assert.equal(provider.describe().problem, null);
    await provider.stop();
  });

  test("is none where containers are named and nothing answers", async () => {
    assert.match(
      await refusal({ engine: "container", socket: nowhere }),
      /provider here cannot run nodes here: no Docker API socket answered: .*no\.sock does not exist$/,
    );
    await writeFile(nowhere, "");
    assert.match(await refusal({ engine: "container", socket: nowhere }), /no\.sock is no socket$/);
  });

  test("is none where the socket's server is no container engine", async () => {
    const server = createServer((socket) =>
      socket.resume().end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    );
    await new Promise<void>((resolve) => server.listen(nowhere, resolve));
    assert.match(await refusal({ engine: "container", socket: nowhere }), /no\.sock does not answer: /);
    await new Promise((resolve) => server.close(resolve));
  });

  test("stays the one that has the provider's images, whatever else turns up", async () => {
    const rootfs = await makeRootfs({ sshServer: false, sftpServer: false });
    const provider = await startLocalProvider(directory.path, { socket: nowhere });
    await provider.uploadImage(imageSpec(rootfs.path), signal());
    await provider.stop();
    await rootfs.remove();
    const again = await startLocalProvider(directory.path, { socket: nowhere });
    assert.match(again.describe().summary, /^sandbox/);
    assert.equal(again.describe().problem, null);
    assert.equal((await again.listImages(signal())).length, 1);
    await again.stop();
  });

  test("is not exchanged for another one while the images are in containers' storage", async () => {
    await mkdir(join(directory.path, "here"));
    await writeFile(join(directory.path, "here/engine"), "container");
    assert.match(await refusal({ socket: nowhere }), /no Docker API socket answered/);
  });
});
