import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { temporaryDirectory } from "../../../../test/harness/local_provider.ts";
import { kindInRoot, readInRoot, resolveInRoot } from "./rooted_path.ts";

describe("a path below a root directory", () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let root: string;

  before(async () => {
    directory = await temporaryDirectory();
    root = join(directory.path, "root");
    await mkdir(join(root, "etc/real"), { recursive: true });
    await writeFile(join(directory.path, "outside"), "outside");
    await writeFile(join(root, "etc/real/file"), "inside");
    await symlink("/etc/real", join(root, "absolute"));
    await symlink("../../../../outside", join(root, "etc/climbing"));
    await symlink("loop", join(root, "loop"));
    await symlink("/gone/file", join(root, "dangling"));
  });
  after(() => directory.remove());

  test("follows absolute links from the root", async () => {
    assert.equal(await resolveInRoot(root, "/absolute/file"), join(root, "etc/real/file"));
    assert.equal(await readInRoot(root, "/absolute/file"), "inside");
  });

  test("does not climb out, neither by dots nor by links", async () => {
    assert.equal(await resolveInRoot(root, "../../outside"), join(root, "outside"));
    assert.equal(await resolveInRoot(root, "etc/climbing"), join(root, "outside"));
    assert.equal(await readInRoot(root, "etc/climbing"), null);
  });

  test("gives up on links in a circle", async () => {
    await assert.rejects(resolveInRoot(root, "loop/file"), /too many symbolic links/);
    assert.equal(await kindInRoot(root, "loop"), null);
  });

  test("tells files, directories and nothing apart", async () => {
    assert.equal(await kindInRoot(root, "etc/real/file"), "file");
    assert.equal(await kindInRoot(root, "absolute"), "directory");
    assert.equal(await kindInRoot(root, "dangling"), null);
    assert.equal(await readInRoot(root, "etc/real"), null);
  });
});
