// The example image with the real disk-image-create, and a login to it.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { loadConfig } from "../../lib/config/load.ts";
import { findProgram } from "../../lib/host/machine.ts";
import { newKeyPair } from "../../lib/host/ssh_key.ts";
import { freePort } from "../harness/ports.ts";
import { PROJECT } from "../harness/program.ts";
import { readTar, type TarEntry } from "../harness/tar.ts";

// What is in the image does not depend on the runtime: once is enough.
const canBuild =
  !("Deno" in globalThis) && process.getuid?.() === 0 && (await findProgram("disk-image-create")) !== null;
const canRun = (await findProgram("bwrap")) !== null;

describe("the example image", {
  skip: canBuild ? false : "diskimage-builder or root is missing, or this is Deno",
}, () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-tiny-test-"));
  const key = newKeyPair("operator");
  const keyFile = join(folder, "key");
  const output = join(folder, "image");
  let tree: ReadonlyMap<string, TarEntry>;

  before(async () => {
    writeFileSync(keyFile, key.privateKey, { mode: 0o600 });
    const env = { NODEPOOL_DATA_DIR: folder, NODEPOOL_AUTHORIZED_KEYS: key.publicKey };
    const config = await loadConfig(join(PROJECT, "examples/nodepool.yaml"), { env });
    const image = config.diskimages.get("tiny");
    assert.ok(image !== undefined);
    const [command = "", ...args] = image.dibCommand.split(" ");
    execFileSync(
      command,
      [
        ...args,
        "-x",
        "-t",
        image.formats.join(","),
        "--checksum",
        "--no-tmpfs",
        "-o",
        output,
        ...image.elements,
      ],
      {
        env: {
          ...process.env,
          TMP_DIR: folder,
          DIB_IMAGE_NAME: "tiny",
          DIB_IMAGE_FILENAME: output,
          ELEMENTS_PATH: config.elementsDir ?? "",
          ...image.envVars,
        },
        stdio: ["ignore", "ignore", "ignore"],
      },
    );
    tree = await readTar(`${output}.tar`);
  });
  after(() => rmSync(folder, { recursive: true }));

  it("is built by diskimage-builder, which leaves nothing behind", () => {
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith("dib_")),
      [],
    );
    assert.ok(existsSync(`${output}.tar`));
  });

  it("has a user who may log in with the operator's key and with no password", () => {
    const keys = tree.get("home/zuul/.ssh/authorized_keys");
    assert.deepEqual([keys?.text, keys?.uid, keys?.mode], [`${key.publicKey}\n`, 1000, 0o600]);
    assert.match(tree.get("etc/passwd")?.text ?? "", /^zuul:x:1000:1000:Zuul:\/home\/zuul:\/bin\/bash$/m);
    assert.match(tree.get("etc/shadow")?.text ?? "", /^zuul:\*:/m);
  });

  it("has no host keys and no device files of the machine that built it", () => {
    const paths = [...tree.values()].filter(
      ({ path, type }) => /host_key|^dev\/./.test(path) || type.endsWith("-device"),
    );
    assert.deepEqual(paths, []);
  });

  it("lets the operator in over SSH, copies files and passes exit codes", { skip: !canRun }, async () => {
    const root = join(folder, "root");
    mkdirSync(root);
    execFileSync("tar", ["-xf", `${output}.tar`, "-C", root]);
    const port = await freePort();
    const options = [
      "--unshare-pid",
      "--die-with-parent",
      "--dev",
      "/dev",
      "--proc",
      "/proc",
      "--tmpfs",
      "/run",
    ];
    const server = spawn(
      "bwrap",
      ["--bind", root, "/", ...options, "/usr/local/bin/nodepool-node-init", `${port}`],
      {
        stdio: ["ignore", "ignore", "pipe"],
        env: { PATH: process.env.PATH },
      },
    );
    try {
      let log = "";
      await new Promise<void>((resolve, reject) => {
        server.on("close", () => reject(new Error(log)));
        server.stderr.on("data", (chunk) => {
          log += chunk;
          if (log.includes("Not backgrounding")) resolve();
        });
      });
      const client = ["-i", keyFile, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"];
      const quiet = ["-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"];
      const ssh = (script: string) =>
        execFileSync("ssh", [...client, ...quiet, "-p", `${port}`, "zuul@127.0.0.1", script], {
          encoding: "utf8",
        });
      assert.match(
        ssh("id; . /etc/os-release; echo $IMAGE_ID; ps | wc -l"),
        /^uid=1000\(zuul\).*\ntiny\n\d+\n$/,
      );
      assert.throws(() => ssh("exit 7"), { status: 7 });
      writeFileSync(join(folder, "sent"), "sent\n");
      execFileSync("scp", [...client, ...quiet, "-P", `${port}`, join(folder, "sent"), "zuul@127.0.0.1:got"]);
      assert.equal(ssh("cat got"), "sent\n");
      const scanned = execFileSync("ssh-keyscan", ["-p", `${port}`, "127.0.0.1"], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
      const types = scanned
        .trim()
        .split("\n")
        .map((line) => line.split(" ")[1]);
      assert.deepEqual(types.sort(), ["ecdsa-sha2-nistp256", "ssh-ed25519", "ssh-rsa"]);
    } finally {
      server.removeAllListeners("close");
      const ended = new Promise((resolve) => server.once("close", resolve));
      server.kill("SIGKILL");
      await ended;
    }
  });
});
