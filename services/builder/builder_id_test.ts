import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { builderIdPath, readBuilderId } from "./builder_id.ts";

async function withFolder(check: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "nodepool-id-"));
  try {
    await check(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("builders that begin with one new folder at once have one id", () =>
  withFolder(async (folder) => {
    const imagesDir = join(folder, "images");
    let made = 0;
    const ids = await Promise.all(
      Array.from({ length: 8 }, () => readBuilderId(imagesDir, () => `id-${++made}`)),
    );
    assert.equal(new Set(ids).size, 1, ids.join());
    assert.equal(await readFile(builderIdPath(imagesDir), "utf8"), ids[0]);
    assert.deepEqual(await readdir(imagesDir), ["builder_id.txt"]);
  }));

test("an id that is there is kept; an empty file, as a full disk leaves it, is replaced", () =>
  withFolder(async (folder) => {
    await writeFile(builderIdPath(folder), "mine\n");
    assert.equal(await readBuilderId(folder, () => "new"), "mine");
    await writeFile(builderIdPath(folder), "");
    assert.equal(await readBuilderId(folder, () => "new"), "new");
    assert.equal(await readBuilderId(folder, () => "another"), "new");
  }));
