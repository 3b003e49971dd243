// The engine without isolation, which runs this machine's own programs.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { rename, symlink } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Client } from "ssh2";
import {
  createInstance,
  imageSpec,
  instanceSpec,
  localConfig,
  startLocalProvider,
  temporaryDirectory,
} from "../../../test/harness/local_provider.ts";
import { makeRootfs, type Rootfs } from "../../../test/harness/rootfs.ts";
import { connect, runRemote, throughSftp } from "../../../test/harness/ssh_client.ts";
import type { Instance, Provider } from "../contract.ts";

describe("a node that is a plain process", () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let rootfs: Rootfs;
  let provider: Provider;
  let instance: Instance;
  let client: Client;

  before(async () => {
    directory = await temporaryDirectory();
    rootfs = await makeRootfs({ sshServer: false });
    provider = await startLocalProvider(directory.path, { engine: "process" });
    const image = await provider.uploadImage(imageSpec(rootfs.path), AbortSignal.timeout(60_000));
    instance = await createInstance(provider, instanceSpec("0000000001", image));
    client = await connect(instance, "zuul", rootfs.privateKey);
  });
  after(async () => {
    client.end();
    await provider.stop();
    await rootfs.remove();
    await directory.remove();
  });

  test("says that it is not isolated, to people and in its attributes", () => {
    assert.match(provider.describe().summary, /^process \(no isolation, host binaries(, as root)?\)$/);
    assert.equal(instance.attributes.engine, "process");
    assert.match(instance.attributes.isolation ?? "", /^none/);
  });

  test("listens on loopback only", () => {
    assert.equal(instance.interfaceIp, "127.0.0.1");
  });

  test("runs commands in the user's home of the unpacked image", async () => {
    const home = join(directory.path, "here/instances/np0000000001/rootfs/home/zuul");
    assert.equal((await runRemote(client, "pwd; echo $HOME")).stdout.toString(), `${home}\n${home}\n`);
  });

  test("finds a home that the image has behind a link", async () => {
    const root = join(directory.path, "here/instances/np0000000001/rootfs");
    await rename(join(root, "home"), join(root, "var/home"));
    await symlink("/var/home", join(root, "home"));
    assert.equal((await runRemote(client, "pwd -P")).stdout.toString(), `${root}/var/home/zuul\n`);
  });

  test("passes exit codes, input and terminals through", async () => {
    assert.equal((await runRemote(client, "exit 3")).code, 3);
    const input = Buffer.alloc(200_000, "x");
    assert.equal((await runRemote(client, "wc -c", { input })).stdout.toString().trim(), "200000");
    const pty = { term: "xterm", rows: 30, cols: 90 };
    assert.match((await runRemote(client, "stty size", { pty })).stdout.toString(), /30 90/);
  });

  test("goes on when its provider gets other limits, and not with another engine", async () => {
    const settings = { engine: "process", "state-dir": directory.path };
    const config = localConfig(settings);
    const pools = config.pools.map((pool) => ({ ...pool, maxServers: -1, labels: [] }));
    assert.equal(provider.changeTo?.({ ...config, pools, launchTimeout: 99 }), true);
    assert.deepEqual(provider.resourcesOf("main", "small"), { instances: 1 });
    assert.equal((await runRemote(client, "exit 4")).code, 4);
    assert.equal(provider.changeTo(localConfig({ ...settings, engine: "sandbox" })), false);
    assert.equal(provider.changeTo(config), true);
    assert.deepEqual(provider.resourcesOf("main", "small"), { instances: 1, cores: 1, ram: 256 });
  });

  test("moves files over SFTP", async () => {
    const content = Buffer.from("content");
    const path = join(directory.path, "by-sftp");
    assert.deepEqual(await throughSftp(client, path, content), content);
  });

  test("is never what `engine: auto` chooses", async () => {
    const other = await temporaryDirectory();
    const options = { env: { DOCKER_HOST: "unix:///nowhere" } };
    const chosen = await startLocalProvider(other.path, { engine: "auto" }, options).catch(() => null);
    assert.doesNotMatch(chosen?.describe().summary ?? "", /process \(/);
    await chosen?.stop();
    await other.remove();
  });
});
