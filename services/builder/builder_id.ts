import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, messageOf } from "../../lib/std/errors.ts";

export const builderIdPath = (imagesDir: string) => join(imagesDir, "builder_id.txt");

/**
 * The builder's id: the text of `builder_id.txt` in images-dir, made at the first start.
 *
 * @throws {Error} naming the file when it can be neither read nor made
 */
export async function readBuilderId(imagesDir: string, newUuid: () => string): Promise<string> {
  const path = builderIdPath(imagesDir);
  try {
    const id = (await readFile(path, "utf8")).trim();
    if (id !== "") return id;
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw new Error(`cannot read the builder's id: ${messageOf(error)}`);
  }
  const id = newUuid();
  try {
    await mkdir(imagesDir, { recursive: true });
    await writeFile(path, id);
  } catch (error) {
    throw new Error(`images-dir ${imagesDir} cannot be used: ${messageOf(error)}`);
  }
  return id;
}
