import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, messageOf } from "../../lib/std/errors.ts";

export const builderIdPath = (imagesDir: string) => join(imagesDir, "builder_id.txt");

/**
 * The builder's id: the text of `builder_id.txt` in images-dir, made at the first start. Builders that begin at once with
 * one folder have one id.
 *
 * @throws {Error} naming the file when it can be neither read nor made
 */
export async function readBuilderId(imagesDir: string, newUuid: () => string): Promise<string> {
  const path = builderIdPath(imagesDir);
  const present = await readId(path);
  if (present) return present;
  const id = newUuid();
  const own = `${path}.${id}`;
  try {
    await mkdir(imagesDir, { recursive: true });
    await writeFile(own, id);
    // An empty file is nobody's; a missing one is made by the first only.
    if (present === "") await rename(own, path);
    else await linkTo(own, path);
    return id;
  } catch (error) {
    const other = codeOf(error) === "EEXIST" ? await readId(path) : null;
    if (other) return other;
    throw new Error(`images-dir ${imagesDir} cannot be used: ${messageOf(error)}`);
  } finally {
    await rm(own, { force: true }).catch(() => {});
  }
}

/** @throws EEXIST when somebody else was faster; a file system without links cannot tell */
async function linkTo(own: string, path: string): Promise<void> {
  try {
    await link(own, path);
  } catch (error) {
    if (codeOf(error) === "EEXIST") throw error;
    await rename(own, path);
  }
}

/** The id; empty when the file is, null when there is none. */
async function readId(path: string): Promise<string | null> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw new Error(`cannot read the builder's id: ${messageOf(error)}`);
  }
}
