// The standalone process where something that it needs is not to be had, before its start and while it runs.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, describe, it } from "node:test";
import { connectClients } from "../../lib/rpc/client.ts";
import { until } from "../harness/launcher.ts";
import { freePort } from "../harness/ports.ts";
import { type Program, runProgram, startProgram } from "../harness/program.ts";

const MAIN = "services/standalone/main.ts";
const SERVES = /^API: /m;

describe("Nodepool standalone", () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-standalone-"));
  const config = join(folder, "nodepool.yaml");
  writeFileSync(config, `images-dir: ${join(folder, "images")}\nlabels: []\nproviders: []\n`);
  after(() => rmSync(folder, { recursive: true }));

  let folders = 0;
  let data: string;
  let log: string;
  beforeEach(() => {
    data = join(folder, `data-${folders++}`);
    log = join(data, "nodepool.log");
    mkdirSync(data);
  });

  const start = async (...more: string[]): Promise<Program> => {
    const flags = ["--config", config, "--data", data, "--no-install"];
    const listen = ["--listen", `127.0.0.1:${await freePort()}`];
    const builderListen = ["--builder-listen", `127.0.0.1:${await freePort()}`];
    return startProgram(MAIN, [...flags, ...listen, ...builderListen, ...more], { HOME: folder });
  };

  const refuses = async (program: Program, words: RegExp) => {
    assert.equal(await program.ended(), 69, program.output());
    assert.match(program.output(), words);
  };

  it("makes nothing when its configuration cannot be used", async () => {
    const none = join(folder, "none");
    const program = await start("--config", join(folder, "nowhere.yaml"), "--data", none);
    assert.equal(await program.ended(), 78, program.output());
    assert.match(program.output(), /nowhere\.yaml: does not exist/);
    assert.equal(existsSync(none), false);
  });

  it("does not start when its log cannot be written, and says so", async () => {
    mkdirSync(log);
    await refuses(await start(), new RegExp(`^nodepool-standalone: cannot write the log ${log}: `, "m"));
  });

  it("does not start on a folder that another one uses, and says which process that is", async () => {
    const first = await start();
    await first.waitFor(SERVES);
    try {
      await refuses(
        await start(),
        new RegExp(`in use by the server with process id ${first.pid}: stop that`),
      );
    } finally {
      assert.equal(await first.stop(), 0, first.output());
    }
  });

  it("does not start when the coordination server's port is taken, and names it", async () => {
    const other = createServer();
    const port = await freePort();
    await once(other.listen(port, "127.0.0.1"), "listening");
    try {
      await refuses(
        await start("--zookeeper-port", String(port)),
        new RegExp(`cannot listen on 127.0.0.1:${port}:`),
      );
    } finally {
      other.close();
    }
  });

  it("goes on while the disk takes no line of its log", async () => {
    symlinkSync("/dev/full", log);
    const program = await start();
    await program.waitFor(SERVES);
    assert.equal(await program.stop(), 0, program.output());
  });

  it("goes on when nobody reads what it shows any more", async () => {
    const program = await start();
    await program.waitFor(SERVES);
    program.stopReading();
    assert.equal(await program.stop(), 0, program.output());
  });

  describe("whose file is changed", () => {
    const file = join(folder, "changed.yaml");
    const text = (labels: string) => `images-dir: ${join(folder, "images")}
diskimages: [{name: ${labels}, pause: true}]
labels: [{name: ${labels}}]
providers:
- name: cloud
  driver: fake
  diskimages: [{name: ${labels}}]
  cloud-images: [{name: image}]
  pools: [{name: main, labels: [{name: ${labels}, cloud-image: image}]}]
`;
    const write = (labels: string) => writeFileSync(file, text(labels));
    let addresses: { launcherAddress: string; builderAddress: string };
    let clients: ReturnType<typeof connectClients>;
    let program: Program;

    beforeEach(async () => {
      write("before");
      const [launcherAddress, builderAddress] = [await freePort(), await freePort()].map(
        (port) => `127.0.0.1:${port}`,
      ) as [string, string];
      addresses = { launcherAddress, builderAddress };
      const listen = ["--listen", launcherAddress, "--builder-listen", builderAddress];
      program = await start("--config", file, ...listen);
      await program.waitFor(SERVES);
      clients = connectClients(addresses);
    });
    afterEach(async () => {
      clients.close();
      assert.equal(await program.stop(), 0, program.output());
    });

    const cli = (...args: string[]) =>
      runProgram("services/cli/main.ts", args, {
        NODEPOOL_LAUNCHER_ADDRESS: addresses.launcherAddress,
        NODEPOOL_BUILDER_ADDRESS: addresses.builderAddress,
      });

    it("goes on with it as launcher and as builder", async () => {
      write("after");
      await until("the pool's label", async () => {
        const { components } = await clients.components.listComponents({});
        return components.some(({ kind, labels }) => kind === "pool" && labels.join() === "after");
      });
      const { images } = await clients.images.listImages({});
      assert.deepEqual(
        images.map(({ name }) => name),
        ["images/after"],
      );
    });

    it("tells at both addresses which configuration it has", async () => {
      write("after");
      for (const config of [clients.launcherConfig, clients.builderConfig]) {
        await until("the second", async () => (await config.getConfig({})).config?.generation === 2n);
      }
    });

    it("keeps the old one when `config-reload` finds the file unusable", async () => {
      write("'no such thing'\nlabels");
      const { code, stderr } = await cli("config-reload");
      assert.equal(code, 1);
      assert.match(stderr, /builder: .*changed\.yaml:\d+:/);
      assert.equal((await clients.launcherConfig.getConfig({})).config?.generation, 1n);
    });

    it("is asked by `plan` what builder and launcher would do", async () => {
      const next = join(folder, "next.yaml");
      writeFileSync(next, text("after").replace("pause: true", "pause: false"));
      const { stdout } = await cli("plan", "-c", next);
      const kinds = Array.from(stdout.matchAll(/^. (\S+) after: /gm), ([, kind]) => kind);
      assert.deepEqual(kinds, ["build", "serve-label"], stdout);
    });
  });
});
