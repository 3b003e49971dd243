// The sandbox engine under real bubblewrap, with real SSH clients.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { execFile } from "node:child_process";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import ssh2, { type Client, type ClientChannel } from "ssh2";
import {
  createInstance,
  imageSpec,
  instanceSpec,
  startLocalProvider,
  temporaryDirectory,
} from "../../../test/harness/local_provider.ts";
import { makeRootfs, type Rootfs } from "../../../test/harness/rootfs.ts";
import { connect, runRemote, throughSftp } from "../../../test/harness/ssh_client.ts";
import type { Instance, Provider } from "../contract.ts";
import { testProvider } from "../contract_suite.ts";
import { generateSshKey } from "../ssh_keys.ts";

const run = promisify(execFile);
const signal = () => AbortSignal.timeout(60_000);

// Its calls are work of this process: no reply is lost, none is refused, and the folder has nobody else's instances. What
// ends in the middle is below, and in hosted/hosted_engine_test.ts.
testProvider(
  "the local provider with sandboxes",
  async () => {
    const directory = await temporaryDirectory();
    const rootfs = await makeRootfs({ sshServer: false });
    const provider = await startLocalProvider(directory.path, { engine: "sandbox" });
    return {
      provider,
      image: { path: rootfs.path, format: "tar", mark: "made by the harness\n" },
      username: "zuul",
      privateKey: rootfs.privateKey,
      close: async () => {
        await provider.stop();
        await rootfs.remove();
        await directory.remove();
      },
    };
  },
  null,
);

/** Ids of processes of this machine with a word in their command line. */
async function processesWith(word: string): Promise<string[]> {
  const found: string[] = [];
  for (const id of await readdir("/proc")) {
    if (!/^\d+$/.test(id)) continue;
    const line = await readFile(`/proc/${id}/cmdline`, "utf8").catch(() => "");
    if (line.includes(word)) found.push(id);
  }
  return found;
}

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  const limit = signal();
  while (!(await condition())) {
    limit.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Opens a command or, without one, a shell, and gives its channel with what it has written so far. */
function open(
  client: Client,
  command: string | null,
): Promise<{ channel: ClientChannel; text: () => string }> {
  return new Promise((resolve, reject) => {
    const onChannel = (error: Error | undefined, channel: ClientChannel) => {
      if (error) {
        reject(error);
        return;
      }
      let text = "";
      channel.on("data", (chunk: unknown) => {
        text += String(chunk);
      });
      resolve({ channel, text: () => text });
    };
    if (command === null) client.shell({ term: "xterm", rows: 24, cols: 80 }, onChannel);
    else client.exec(command, onChannel);
  });
}

describe("a sandbox", () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let rootfs: Rootfs;
  let provider: Provider;
  let image: string;
  let instance: Instance;
  let client: Client;

  before(async () => {
    directory = await temporaryDirectory();
    rootfs = await makeRootfs({ sshServer: false, sftpServer: false });
    provider = await startLocalProvider(directory.path, { engine: "sandbox" });
    image = await provider.uploadImage(imageSpec(rootfs.path), signal());
    instance = await createInstance(provider, instanceSpec("0000000001", image));
    client = await connect(instance, "zuul", rootfs.privateKey);
  });
  after(async () => {
    client.end();
    await provider.stop();
    await rootfs.remove();
    await directory.remove();
  });

  const text = async (command: string) => (await runRemote(client, command)).stdout.toString();
  const openSsh = (program: string, args: readonly string[]) => {
    const options = ["-i", rootfs.privateKeyFile, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"];
    const port = [program === "ssh" ? "-p" : "-P", `${instance.connectionPort}`];
    return run(program, [...options, "-o", "UserKnownHostsFile=/dev/null", ...port, ...args]);
  };

  test("says in its attributes what it is", () => {
    assert.equal(instance.attributes.engine, "sandbox");
    assert.match(
      instance.attributes.isolation ?? "",
      /bubblewrap.*this machine's network.*no resource limits/,
    );
    assert.match(provider.describe().summary, /^sandbox \(bubblewrap \d.*, in-process SSH\)$/);
  });

  test("shows a command nothing of this machine's files and processes", async () => {
    const secret = join(directory.path, "secret");
    await writeFile(secret, "secret");
    assert.equal(await text(`cat ${secret} 2>/dev/null; ls /work /home 2>/dev/null`), "/home:\nzuul\n");
    assert.match(await text("ls /proc | grep -c '^[0-9]*$'"), /^[1-9]\n$/);
  });

  test("gives a command no capability, and no user of this machine but its own", async () => {
    assert.match(await text("grep CapEff /proc/self/status"), /0000000000000000/);
    const { channel } = await open(client, "exec sleep 76101");
    await eventually(async () => (await processesWith("sleep\u000076101")).length > 0);
    const uids = await Promise.all(
      (await processesWith("sleep\u000076101")).map(async (id) => (await stat(`/proc/${id}`)).uid),
    );
    const expected = process.getuid?.() === 0 ? 60600 : process.getuid?.();
    assert.ok(uids.includes(expected ?? -1), `${uids}`);
    channel.close();
  });

  test("names itself and its user's home", async () => {
    assert.equal(
      await text("hostname; echo $HOME $USER $SHELL"),
      "np0000000001\n/home/zuul zuul /bin/bash\n",
    );
  });

  test("keeps files of one node from another", async () => {
    const other = await createInstance(provider, instanceSpec("0000000002", image));
    await text("echo mine > /home/zuul/mine");
    const otherClient = await connect(other, "zuul", rootfs.privateKey);
    assert.equal((await runRemote(otherClient, "cat /home/zuul/mine")).code, 1);
    otherClient.end();
    await provider.deleteInstance(other.externalId, signal());
    assert.equal(await text("cat /home/zuul/mine"), "mine\n");
  });

  test("passes a signal on to the command", async () => {
    const { channel, text: output } = await open(
      client,
      "trap 'echo got it; exit 5' TERM; echo ready; while :; do sleep 0.05; done",
    );
    await eventually(async () => output().includes("ready"));
    const code = new Promise((resolve) => channel.on("exit", resolve));
    channel.signal("TERM");
    assert.equal(await code, 5);
    assert.match(output(), /got it/);
  });

  test("ends a command and all its children when the client goes away", async () => {
    const lone = await connect(instance, "zuul", rootfs.privateKey);
    await open(lone, "sleep 76001 & sleep 76002 & wait");
    await eventually(async () => (await processesWith("sleep\u000076002")).length > 0);
    lone.destroy();
    await eventually(async () => (await processesWith("sleep\u00007600")).length === 0);
  });

  test("gives a shell a terminal that follows the window and takes Ctrl-C", async () => {
    const { channel, text: output } = await open(client, null);
    channel.write("stty size; echo $((1000+1))\n");
    await eventually(async () => /24 80\r\n1001/.test(output()));
    channel.setWindow(50, 132, 0, 0);
    await eventually(async () => {
      channel.write("stty size\n");
      await new Promise((resolve) => setTimeout(resolve, 100));
      return /\n50 132\r\n/.test(output());
    });
    channel.write("sleep 76003; echo after=$?\n");
    await eventually(async () => (await processesWith("sleep\u000076003")).length > 0);
    channel.write("\x03");
    await eventually(async () => (await processesWith("sleep\u000076003")).length === 0);
    const code = new Promise((resolve) => channel.on("exit", resolve));
    channel.write("exit 9\n");
    assert.equal(await code, 9);
  });

  test("leaves nothing of a terminal's command behind when the client goes away", async () => {
    const lone = await connect(instance, "zuul", rootfs.privateKey);
    const { channel } = await open(lone, null);
    channel.write("sleep 76004 & sleep 76004\n");
    await eventually(async () => (await processesWith("sleep\u000076004")).length > 0);
    lone.destroy();
    await eventually(async () => (await processesWith("sleep\u000076004")).length === 0);
  });

  test("serves OpenSSH's ssh, scp and sftp, with this machine's sftp-server where the image has none", async () => {
    assert.equal(
      (await openSsh("ssh", ["zuul@127.0.0.1", "cat /etc/image-mark"])).stdout,
      "made by the harness\n",
    );
    const local = join(directory.path, "copy");
    await writeFile(local, "carried");
    await openSsh("scp", [local, "zuul@127.0.0.1:carried"]);
    assert.equal(await text("cat carried"), "carried");
    const content = Buffer.from("by sftp");
    assert.deepEqual(await throughSftp(client, "/home/zuul/by-sftp", content), content);
  });

  test("refuses passwords, other users and strangers' keys", async () => {
    const options = ["-o", "PreferredAuthentications=password,keyboard-interactive,none"];
    await assert.rejects(
      openSsh("ssh", [...options, "zuul@127.0.0.1", "true"]),
      /Permission denied \(publickey\)/,
    );
    await assert.rejects(openSsh("ssh", ["root@127.0.0.1", "true"]), /Permission denied \(publickey\)/);
    await assert.rejects(openSsh("ssh", ["nobody@127.0.0.1", "true"]), /Permission denied \(publickey\)/);
    const { privateKey } = await generateSshKey("rsa");
    await assert.rejects(connect(instance, "zuul", privateKey, 1), /authentication/i);
  });

  test("lets in keys that a job has added, unless they carry a restriction", async () => {
    const [free, bound] = [await generateSshKey("rsa"), await generateSshKey("ecdsa")];
    const lines = `${free.publicKey} job\ncommand="false" ${bound.publicKey}`;
    await text(`echo '${lines}' >> .ssh/authorized_keys`);
    const added = await connect(instance, "zuul", free.privateKey);
    assert.equal((await runRemote(added, "echo in")).stdout.toString(), "in\n");
    added.end();
    await assert.rejects(connect(instance, "zuul", bound.privateKey, 1), /authentication/i);
  });

  test("reads authorized keys within the node's root only", async () => {
    const outside = await generateSshKey("ed25519");
    const file = join(directory.path, "outside");
    await writeFile(file, `${outside.publicKey}\n`);
    await text(`mv .ssh/authorized_keys keys && ln -s ${file} .ssh/authorized_keys`);
    await assert.rejects(connect(instance, "zuul", outside.privateKey, 1), /authentication/i);
    await text("mv -f keys .ssh/authorized_keys");
  });

  test("refuses forwarding: it would reach this machine's own services", async () => {
    await assert.rejects(
      new Promise((_resolve, reject) => {
        client.forwardOut("127.0.0.1", 0, "127.0.0.1", instance.connectionPort ?? 0, (error) =>
          reject(error),
        );
      }),
      /open failure/i,
    );
  });

  test("is the same machine after a restart of this process: port, host keys, files", async () => {
    const hostKey = () =>
      new Promise<string>((resolve, reject) => {
        const probe = new ssh2.Client();
        probe.on("error", reject);
        probe.on("handshake", () => probe.end());
        probe.connect({
          host: "127.0.0.1",
          port: instance.connectionPort ?? 0,
          username: "zuul",
          hostVerifier: (key: Buffer) => {
            resolve(key.toString("base64"));
            return true;
          },
        });
      });
    const before = await hostKey();
    await text("echo kept > kept");
    await open(client, "sleep 76005");
    await eventually(async () => (await processesWith("sleep\u000076005")).length > 0);
    await provider.stop();
    assert.deepEqual(await processesWith("sleep\u000076005"), []);
    await assert.rejects(connect(instance, "zuul", rootfs.privateKey, 1), /ECONNREFUSED/);

    provider = await startLocalProvider(directory.path, { engine: "sandbox" });
    const [listed] = await provider.listInstances(signal());
    assert.equal(listed?.state, "running");
    assert.equal(listed?.connectionPort, instance.connectionPort);
    assert.equal(await hostKey(), before);
    client = await connect(instance, "zuul", rootfs.privateKey);
    assert.equal(await text("cat kept"), "kept\n");
  });

  test("waits for its port when another process has it at a restart", async () => {
    client.end();
    await provider.stop();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(instance.connectionPort ?? 0, "127.0.0.1", resolve));
    provider = await startLocalProvider(directory.path, { engine: "sandbox" });
    const [waiting] = await provider.listInstances(signal());
    assert.equal(waiting?.state, "stopped");
    assert.equal(waiting?.fault, `its port ${instance.connectionPort} is in use by another process`);
    await new Promise((resolve) => other.close(resolve));
    await eventually(async () => (await provider.listInstances(signal()))[0]?.state === "running");
    client = await connect(instance, "zuul", rootfs.privateKey);
  });

  test("is seen, and not served, by a process that does not host instances", async () => {
    const builder = await startLocalProvider(
      directory.path,
      { engine: "sandbox" },
      { hostsInstances: false },
    );
    const [seen] = await builder.listInstances(signal());
    assert.equal(seen?.state, "running");
    assert.equal((await builder.listImages(signal())).length, 1);
    await builder.stop();
    assert.equal(await text("echo still"), "still\n");
  });

  test("whose creation was interrupted by a crash is listed as failed, and finished by a repeated create", async () => {
    const spec = instanceSpec("0000000003", image);
    const made = await createInstance(provider, spec);
    await provider.stop();
    const file = join(directory.path, "here/instances", made.name, "instance.json");
    const record = JSON.parse(await readFile(file, "utf8"));
    const { stdout: gone } = await run("sh", ["-c", "echo $$"]);
    await writeFile(file, JSON.stringify({ ...record, state: "building", port: 0, pid: Number(gone) }));
    provider = await startLocalProvider(directory.path, { engine: "sandbox" });
    const listed = (await provider.listInstances(signal())).find(({ name }) => name === made.name);
    assert.equal(listed?.state, "failed");
    assert.equal(listed?.fault, "its creation was interrupted");
    assert.equal((await createInstance(provider, spec)).state, "running");
    await provider.deleteInstance(made.externalId, signal());
    client = await connect(instance, "zuul", rootfs.privateKey);
  });

  test("is refused for a user that the image does not have", async () => {
    const spec = { ...instanceSpec("0000000004", image), username: "ubuntu" };
    await assert.rejects(createInstance(provider, spec), /the image has no user ubuntu: nobody could log in/);
    assert.equal((await provider.listInstances(signal())).length, 1);
  });
});
