import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { after, beforeEach, describe, it, test } from "node:test";
import { imageRecords, writeWhole } from "./records.ts";

const DAY = 86_400_000;
const signal = () => AbortSignal.timeout(60_000);
const isLinux = process.platform === "linux";

describe("what is half made of a record", { skip: !isLinux }, () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-records-"));
  const records = imageRecords(folder);
  let made = 0;
  after(() => rmSync(folder, { recursive: true }));
  beforeEach(() => rmSync(records.directory, { recursive: true, force: true }));

  /** The name of the directory in which this process makes a record, while it does. */
  const whileMaking = async (look: (name: string) => Promise<void>) => {
    const fill = async (directory: string) => {
      await look(basename(directory));
      return { name: "image", metadata: {} };
    };
    made += 1;
    await records.create(`image-${made}`, fill, signal());
  };

  /** Leaves a directory as a process would whose identity is changed so, and looks whether it is swept away. */
  const isSwept = async (change: (name: string) => string, now = Date.now()) => {
    let left = "";
    await whileMaking(async (name) => {
      left = change(name);
    });
    assert.ok(left.startsWith(".unfinished-"), left);
    mkdirSync(join(records.directory, left, "rootfs"), { recursive: true });
    await records.sweep(now, signal());
    return !readdirSync(records.directory).includes(left);
  };

  it("stays while its process lives", async () => {
    await whileMaking(async (name) => {
      await records.sweep(Date.now() + 2 * DAY, signal());
      assert.deepEqual(readdirSync(records.directory), [name]);
    });
    assert.deepEqual(readdirSync(records.directory), ["image-1"]);
  });

  it("goes when its process has ended, also when another one has its number", async () => {
    assert.equal(await isSwept((name) => name.replace(/%2F\d+-/, "%2F1-")), true);
  });

  it("goes after a boot, whoever has the number now", async () => {
    assert.equal(await isSwept((name) => name.replace(/^\.unfinished-./, ".unfinished-x")), true);
  });

  it("of a process in another container goes when nobody can be at work any more", async () => {
    const elsewhere = (name: string) => name.replace(/%5B\d+%5D/, "%5B1%5D");
    assert.equal(await isSwept(elsewhere), false);
    assert.equal(await isSwept(elsewhere, Date.now() + 2 * DAY), true);
  });
});

const isRoot = process.getuid?.() === 0;
const skip = isLinux && isRoot ? false : "needs root on Linux: mounts a file system";
test("a record's directory that could not be removed is removed by the next attempt", { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-records-"));
  const records = imageRecords(folder);
  await records.write("image", { name: "image", metadata: {} });
  mkdirSync(join(records.path("image"), "rootfs"));
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", join(records.path("image"), "rootfs")]);
  await assert.rejects(records.remove("image", signal()), /EBUSY/);
  const [left = ""] = readdirSync(records.directory);
  execFileSync("umount", [join(records.directory, left, "rootfs")]);
  await records.remove("image", signal());
  assert.deepEqual(readdirSync(records.directory), []);
  rmSync(folder, { recursive: true });
});

test("a file that cannot be written leaves nothing behind", async () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-whole-"));
  mkdirSync(join(folder, "taken"));
  await assert.rejects(writeWhole(join(folder, "taken"), "text"));
  assert.deepEqual(readdirSync(folder), ["taken"]);
  rmSync(folder, { recursive: true });
});
