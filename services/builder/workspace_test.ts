import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { after, afterEach, before, describe, test } from "node:test";
import { systemClock } from "../../lib/std/clock.ts";
import { diskimage } from "../../test/harness/builder_state.ts";
import { findLoopDevices, findMounts, isWithin, mountsWithin } from "./host_remains.ts";
import { clearWorkspace, temporaryFolder, workspaceEnvironment, workspacePath } from "./workspace.ts";

const isRootOnLinux = process.platform === "linux" && process.getuid?.() === 0;
let folder: string;
let build: string;
let path: string;
const children: ChildProcess[] = [];

/** A shell in a session of its own, as a build command; resolves when it has said "ready". */
async function shell(lines: string, env: Record<string, string>): Promise<number> {
  const child = spawn("/bin/sh", ["-c", `${lines}\necho ready; while :; do sleep 1; done`], {
    detached: true,
    env: { PATH: process.env.PATH ?? "", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  await new Promise<void>((resolve) => child.stdout?.once("data", () => resolve()));
  return child.pid ?? 0;
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const reaped = (child: ChildProcess) =>
  new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });

test("mounts of a folder are told the last one first, with odd names, and no others", () => {
  const lines = [
    "22 1 0:5 / / rw - ext4 /dev/vda rw",
    "23 22 0:6 / /tmp/nodepool-1 rw - tmpfs tmpfs rw",
    "24 22 0:7 / /tmp/nodepool-12/mnt rw - tmpfs tmpfs rw",
    "25 23 0:8 / /tmp/nodepool-1/with\\040space/proc rw - proc proc rw",
  ];
  assert.deepEqual(mountsWithin(lines.join("\n"), "/tmp/nodepool-1"), [
    "/tmp/nodepool-1/with space/proc",
    "/tmp/nodepool-1",
  ]);
  assert.equal(isWithin("/tmp/nodepool-12", "/tmp/nodepool-1"), false);
});

test("temporary files go where the image says, else where the builder's environment says, else to /tmp", () => {
  const plain = diskimage("ubuntu");
  assert.equal(temporaryFolder(plain, {}), "/tmp");
  assert.equal(temporaryFolder(plain, { TMPDIR: "/var/tmp", TMP_DIR: "" }), "/var/tmp");
  assert.equal(
    temporaryFolder(diskimage("ubuntu", { envVars: { TMP_DIR: "/big" } }), { TMP_DIR: "/x" }),
    "/big",
  );
});

test("mappings on a loop device are told with those that stand on them, the topmost first", async () => {
  const sysfs = await mkdtemp(join(tmpdir(), "nodepool-sysfs-"));
  // As kpartx and LVM leave them: two partitions, on both of them one volume.
  const files = {
    "loop3/loop/backing_file": "/tmp/nodepool-1/image.raw (deleted)",
    "loop4/loop/backing_file": "/tmp/other/image.raw",
    "loop3/holders/dm-0/is": "",
    "loop3/holders/dm-1/is": "",
    "dm-0/dm/name": "loop3p1",
    "dm-0/holders/dm-2/is": "",
    "dm-1/dm/name": "loop3p2",
    "dm-1/holders/dm-2/is": "",
    "dm-2/dm/name": "system-root",
  };
  try {
    for (const [file, text] of Object.entries(files)) {
      await mkdir(dirname(join(sysfs, file)), { recursive: true });
      await writeFile(join(sysfs, file), `${text}\n`);
    }
    const mappings = ["system-root", "loop3p1", "loop3p2"];
    assert.deepEqual(await findLoopDevices("/tmp/nodepool-1", sysfs), [{ device: "/dev/loop3", mappings }]);
  } finally {
    await rm(sysfs, { recursive: true });
  }
});

describe("what a build has left", () => {
  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "nodepool-workspace-")));
    build = randomUUID().replaceAll("-", "");
    path = await workspacePath(diskimage("ubuntu", { envVars: { TMP_DIR: folder } }), {}, build);
  });
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.pid !== undefined && lives(child.pid)) process.kill(child.pid, "SIGKILL");
      await reaped(child);
    }
  });
  after(() => rm(folder, { recursive: true }));

  test("is nothing when there is no folder", async () => {
    assert.deepEqual(await clearWorkspace(path, build, systemClock), []);
  });

  test("goes with its folder; what lies beside it stays", async () => {
    await mkdir(join(path, "dib_build.X", "built"), { recursive: true });
    await writeFile(join(folder, "mine"), "");
    await symlink(join(folder, "mine"), join(path, "link"));
    assert.deepEqual(await clearWorkspace(path, build, systemClock), [`folder ${path}`]);
    assert.ok(existsSync(join(folder, "mine")));
    assert.ok(!existsSync(path));
  });

  test("names the symbolic link's target where the folder above is one", async () => {
    await symlink(folder, join(folder, "alias"));
    const image = diskimage("ubuntu", { envVars: { TMP_DIR: join(folder, "alias") } });
    assert.equal(await workspacePath(image, {}, build), path);
  });

  test("are processes too, also those that began a session of their own; others live on", {
    skip: process.platform !== "linux",
  }, async () => {
    await mkdir(path);
    const other = await shell("", { NODEPOOL_BUILD_ID: "another" });
    const pids = join(folder, "pids");
    await writeFile(pids, "");
    const leader = await shell(
      `setsid sh -c 'echo $$ >>"${pids}"; exec sleep 300' & env -i sh -c 'echo $$ >>"${pids}"; sleep 300' &
       while [ "$(wc -l <"${pids}")" != 2 ]; do sleep 0.05; done`,
      { ...workspaceEnvironment(path, build), PATH: process.env.PATH ?? "" },
    ).catch(() => 0);
    await clearWorkspace(path, build, systemClock);
    const left = execFileSync("cat", [pids], { encoding: "utf8" }).trim().split("\n").map(Number);
    assert.equal(left.length, 2);
    for (const child of children) if (child.pid === leader) await reaped(child);
    assert.deepEqual(
      [leader, ...left].filter(lives).filter((pid) => !isZombie(pid)),
      [],
    );
    assert.ok(lives(other), "a process of another build was killed");
  });

  test("are mounts and loop devices too", { skip: !isRootOnLinux }, async () => {
    await mkdir(join(path, "mnt"), { recursive: true });
    await writeFile(join(path, "image.raw"), new Uint8Array(1 << 20));
    execFileSync("losetup", ["-f", join(path, "image.raw")]);
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", join(path, "mnt")]);
    await mkdir(join(path, "mnt", "proc"));
    execFileSync("mount", ["-t", "proc", "proc", join(path, "mnt", "proc")]);
    await shell(`cd "${join(path, "mnt")}"`, {});
    assert.equal((await findLoopDevices(path)).length, 1);
    const removed = await clearWorkspace(path, build, systemClock);
    const kinds = new Set(removed.map((what) => what.split(" ")[0]));
    assert.deepEqual([...kinds], ["process", "mount", "loop", "folder"]);
    assert.deepEqual(await findMounts(path), []);
    assert.deepEqual(await findLoopDevices(path), []);
    assert.ok(!existsSync(path));
  });
});

function isZombie(pid: number): boolean {
  try {
    return / Z /.test(
      execFileSync("cat", [`/proc/${pid}/stat`], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
    );
  } catch {
    return true;
  }
}
