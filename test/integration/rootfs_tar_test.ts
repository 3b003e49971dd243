import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { after, describe, it } from "node:test";
import { systemClock } from "../../lib/std/clock.ts";
import { clearWorkspace } from "../../services/builder/workspace.ts";
import { PROJECT, runtimeCommand } from "../harness/program.ts";
import { readTar } from "../harness/tar.ts";

const PROGRAM = runtimeCommand("services/builder/rootfs_tar/main.ts");
const ELEMENTS = join(PROJECT, "examples/elements");
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPlx operator";
const canMount = process.platform === "linux" && process.getuid?.() === 0;
const TINY = ["no-block-device", "nodepool-tiny", "nodepool-node"];

describe("nodepool-rootfs-tar", () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-rootfs-test-"));
  chmodSync(folder, 0o777);
  after(() => rmSync(folder, { recursive: true }));
  let count = 0;
  const nextNumber = () => {
    count += 1;
    return count;
  };
  const newOutput = () => join(folder, `image-${nextNumber()}`);
  const base = {
    PATH: process.env.PATH,
    TMP_DIR: folder,
    NODEPOOL_AUTHORIZED_KEYS: KEY,
    DIB_IMAGE_NAME: "tiny",
    // A folder for the runtime's own cache that every user may write.
    HOME: folder,
  };

  /** Runs the program as the builder does. */
  const build = async (args: readonly string[], env: Record<string, string> = {}, wrapper: string[] = []) => {
    const [command = "", ...rest] = [...wrapper, ...PROGRAM, ...args];
    return await new Promise<{ code: number; output: string }>((resolve) => {
      const options = { env: { ...base, ELEMENTS_PATH: ELEMENTS, ...env } };
      const child = execFile(command, rest, options, (_error, stdout, stderr) =>
        resolve({ code: child.exitCode ?? -1, output: stdout + stderr }),
      );
    });
  };
  /** What runs a program without root's rights. */
  const nobody =
    process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
  /** Makes an element with one hook. */
  const element = (name: string, hook: string, script: string) => {
    const elements = join(folder, `elements-${nextNumber()}`);
    const file = join(elements, name, hook);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `#!/bin/bash\n${script}\n`, { mode: 0o755 });
    return elements;
  };
  const refused = async (args: readonly string[], message: RegExp, env: Record<string, string> = {}) => {
    const output = newOutput();
    const result = await build(["-o", output, ...args], env);
    assert.match(result.output, message);
    assert.equal(result.code, 1);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith(`${output.split("/").at(-1)}.`)),
      [],
    );
  };

  it("takes the command line of disk-image-create and makes a root file system with a login", async () => {
    const output = newOutput();
    const args = ["-x", "-t", "tar", "--checksum", "--no-tmpfs", "-n", "-o", output, ...TINY];
    const { code, output: log } = await build(args);
    assert.equal(code, 0, log);
    const tree = await readTar(`${output}.tar`);
    assert.equal(tree.get("home/zuul/.ssh/authorized_keys")?.text, `${KEY}\n`);
    assert.deepEqual(
      ["", "etc/shadow", "home/zuul/.ssh", "home/zuul/.ssh/authorized_keys", "tmp"].map((path) => {
        const entry = tree.get(path);
        return `${entry?.path} ${entry?.mode.toString(8)} ${entry?.uid}:${entry?.gid}`;
      }),
      [
        " 755 0:0",
        "etc/shadow 640 0:0",
        "home/zuul/.ssh 700 1000:1000",
        "home/zuul/.ssh/authorized_keys 600 1000:1000",
        "tmp 1777 0:0",
      ],
    );
    assert.match(tree.get("etc/passwd")?.text ?? "", /^zuul:x:1000:1000:.*:\/bin\/bash$/m);
    assert.match(tree.get("etc/os-release")?.text ?? "", /^IMAGE_ID="tiny"$/m);
    assert.equal(tree.get("bin/ls")?.link, "busybox");
    assert.equal(tree.get("usr/local/bin/nodepool-node-init")?.mode, 0o755);
    assert.deepEqual(
      readdirSync(dirname(output)).filter((name) => name.startsWith("image-1.")),
      ["image-1.tar"],
    );
  });

  it("gives the right owners without root as well", { skip: process.getuid?.() !== 0 }, async () => {
    const output = newOutput();
    const { code, output: log } = await build(["-t", "tar", "-o", output, ...TINY], {}, nobody);
    assert.equal(code, 0, log);
    const owners = new Set<string>();
    for (const { path, uid, gid } of (await readTar(`${output}.tar`)).values()) {
      owners.add(`${path.startsWith("home/zuul") ? "home" : "rest"} ${uid}:${gid}`);
    }
    assert.deepEqual([...owners].sort(), ["home 1000:1000", "rest 0:0"]);
  });

  it("takes the host's own shell and commands where there is no BusyBox", async () => {
    const programs = join(folder, "programs");
    mkdirSync(programs);
    const names =
      "bash basename cat chmod chown cp dirname env grep id ldd ln ls mkdir mktemp mountpoint rm sed tee";
    for (const name of names.split(" ")) symlinkSync(join("/usr/bin", name), join(programs, name));
    const output = newOutput();
    const { code, output: log } = await build(["-t", "tar", "-o", output, ...TINY], { PATH: programs });
    assert.equal(code, 0, log);
    assert.match(log, /no busybox on this machine/);
    const tree = await readTar(`${output}.tar`);
    for (const path of ["bin/bash", "bin/sh", "bin/cat"]) assert.ok(tree.has(path), path);
    assert.ok([...tree.keys()].some((path) => path.endsWith("/libc.so.6")));
  });

  it("leaves nothing behind of an image whose folders its owner may not write, as Fedora's", async () => {
    const script =
      'mkdir -p "$TARGET_ROOT/usr/bin"; echo x >"$TARGET_ROOT/usr/bin/x"; chmod 555 "$TARGET_ROOT/usr/bin"';
    const elements = element("sealed", "root.d/10-tree", script);
    const temporary = join(folder, "temporary");
    mkdirSync(temporary);
    chmodSync(temporary, 0o777);
    const output = newOutput();
    const env = { ELEMENTS_PATH: elements, TMP_DIR: temporary };
    const { code, output: log } = await build(["-t", "tar", "-o", output, "sealed"], env, nobody);
    assert.equal(code, 0, log);
    assert.equal((await readTar(`${output}.tar`)).get("usr/bin")?.mode, 0o555);
    assert.deepEqual(readdirSync(temporary), []);
  });

  it("deletes nothing of what a hook that failed has left mounted in the image", {
    skip: !canMount,
  }, async () => {
    const outside = join(folder, "outside");
    const temporary = join(folder, "temporary-mounted");
    for (const path of [outside, temporary]) mkdirSync(path);
    writeFileSync(join(outside, "precious"), "");
    const script = `mkdir "$TARGET_ROOT/dev"; mount --bind ${outside} "$TARGET_ROOT/dev"; exit 3`;
    const elements = element("mounting", "root.d/10-mount", script);
    await refused(["mounting"], /dev is still mounted.*hook root.d\/10-mount ended with 3/s, {
      ELEMENTS_PATH: elements,
      TMP_DIR: temporary,
    });
    assert.deepEqual(readdirSync(outside), ["precious"]);
    await clearWorkspace(temporary, "no build", systemClock);
    assert.deepEqual([existsSync(temporary), readdirSync(outside)], [false, ["precious"]]);
  });

  it("writes both types and, as md5sum does, the checksums of the compressed one", async () => {
    const elements = element(
      "root",
      "root.d/10-root",
      'mkdir "$TARGET_ROOT/etc"; echo hi >"$TARGET_ROOT/etc/motd"',
    );
    const output = newOutput();
    const { code } = await build(["-t", "tar,tgz", "--checksum", "-o", output, "root"], {
      ELEMENTS_PATH: elements,
    });
    assert.equal(code, 0);
    assert.equal((await readTar(`${output}.tar`)).get("etc/motd")?.text, "hi\n");
    for (const algorithm of ["md5", "sha256"]) {
      const sum = createHash(algorithm)
        .update(readFileSync(`${output}.tgz`))
        .digest("hex");
      assert.equal(readFileSync(`${output}.tgz.${algorithm}`, "utf8"), `${sum}  ${output}.tgz\n`);
    }
    assert.ok(!existsSync(`${output}.tar.md5`));
  });

  it("runs hooks in order with the variables of environment.d, and follows element-deps", async () => {
    const elements = element("low", "root.d/9-first", 'echo "first $GREETING" >>"$TARGET_ROOT/log"');
    mkdirSync(join(elements, "low/environment.d"));
    writeFileSync(join(elements, "low/environment.d/10-greeting.bash"), "export GREETING=hello\n");
    mkdirSync(join(elements, "high/root.d"), { recursive: true });
    writeFileSync(join(elements, "high/element-deps"), "low\n");
    writeFileSync(
      join(elements, "high/root.d/10-second"),
      '#!/bin/sh\necho "second $DIB_RELEASE" >>"$TARGET_ROOT/log"\n',
      {
        mode: 0o755,
      },
    );
    const output = newOutput();
    const { code, output: log } = await build(["-o", output, "high"], {
      ELEMENTS_PATH: elements,
      DIB_RELEASE: "9",
    });
    assert.equal(code, 0, log);
    assert.equal((await readTar(`${output}.tar`)).get("log")?.text, "first hello\nsecond 9\n");
  });

  it("refuses types that it cannot make", () =>
    refused(["-t", "tar,qcow2", ...TINY], /cannot make the type "qcow2", only tar and tgz/));

  it("refuses elements that it does not know", () =>
    refused(["debian-minimal"], /unknown element "debian-minimal": not in .*examples\/elements/));

  it("refuses elements without ELEMENTS_PATH", () =>
    refused(["x"], /unknown element "x": ELEMENTS_PATH is empty \(elements-dir in nodepool.yaml\)/, {
      ELEMENTS_PATH: "",
    }));

  it("refuses elements whose hooks run inside the image", () =>
    refused(["inside"], /the element inside has install\.d, which is for inside the image/, {
      ELEMENTS_PATH: element("inside", "install.d/10-x", "true"),
    }));

  it("refuses an image that nobody could log in to", () =>
    refused(TINY, /NODEPOOL_AUTHORIZED_KEYS is not set: nobody could log in/, {
      NODEPOOL_AUTHORIZED_KEYS: "",
    }));

  it("refuses elements that leave the tree empty", () =>
    refused(["nothing"], /no element has filled the root file system/, {
      ELEMENTS_PATH: element("nothing", "root.d/10-nothing", "true"),
    }));

  it("refuses a command line that it does not know", () =>
    refused(["--ramdisk", "x"], /Unknown option '--ramdisk'/));

  it("says which hook failed, and leaves nothing behind", async () => {
    const env = { ELEMENTS_PATH: element("bad", "root.d/10-bad", 'touch "$TARGET_ROOT/x"; exit 3') };
    await refused(["bad"], /the hook root\.d\/10-bad ended with 3/, env);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith("nodepool-rootfs-")),
      [],
    );
  });

  it("ends with its hook on SIGTERM, and leaves nothing behind", async () => {
    const elements = element("slow", "root.d/10-slow", `echo started; sleep 4321`);
    const env = { ...base, ELEMENTS_PATH: elements };
    const child = spawn(PROGRAM[0], [...PROGRAM.slice(1), "-o", newOutput(), "slow"], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    // Not child.kill: Deno then reports the signal instead of the exit code.
    assert.ok(child.pid !== undefined);
    process.kill(child.pid, "SIGTERM");
    const code = await new Promise((resolve) => child.on("close", resolve));
    assert.equal(code, 143);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith("nodepool-rootfs-")),
      [],
    );
  });
});
