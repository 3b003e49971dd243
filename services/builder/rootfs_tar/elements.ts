import { cp, mkdir, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "../../../lib/std/errors.ts";
import { RootfsError } from "./arguments.ts";

/** An element that was asked for, or that one of those depends on. */
export interface Element {
  readonly name: string;
  readonly folder: string;
}

/** Phases whose hooks run inside the image: they would need root. */
const INSIDE = ["pre-install.d", "install.d", "post-install.d", "finalise.d"];
/** What diskimage-builder's own elements read. */
const PACKAGES = /^(package-installs(-.*)?(\.(yaml|json))?|pkg-map|source-repository-.*)$/;

/** Finds the elements and what they depend on. @throws {RootfsError} for one that is unknown or needs root */
export async function findElements(names: readonly string[], searchPath: string): Promise<Element[]> {
  const found = new Map<string, Element>();
  const provided = new Set<string>();
  const queue = [...names];
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    if (found.has(name)) continue;
    const element = await findElement(name, searchPath);
    if (element === null) {
      if (names.includes(name) || !provided.has(name)) throw unknown(name, searchPath);
      continue;
    }
    found.set(name, element);
    await refuseInsideHooks(element);
    for (const word of await words(join(element.folder, "element-provides"))) provided.add(word);
    queue.push(...(await words(join(element.folder, "element-deps"))).filter((word) => !provided.has(word)));
  }
  return [...found.values()];
}

/** Puts the elements' folders together as diskimage-builder does. */
export async function copyHooks(elements: readonly Element[], target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  for (const { name, folder } of elements) {
    try {
      await cp(folder, target, {
        recursive: true,
        force: false,
        errorOnExist: false,
        filter: skipsDocuments,
      });
    } catch (error) {
      throw new RootfsError(
        `cannot copy the element ${name}: ${error instanceof Error ? error.message : error}`,
      );
    }
  }
}

function skipsDocuments(path: string): boolean {
  return !/\/(README(\.\w+)?|element-(deps|provides))$/.test(path);
}

async function findElement(name: string, searchPath: string): Promise<Element | null> {
  if (!/^[\w.+-]+$/.test(name)) return null;
  for (const path of searchPath.split(":").filter((part) => part !== "")) {
    const folder = join(path, name);
    const isFolder = await stat(folder).then(
      (entry) => entry.isDirectory(),
      () => false,
    );
    if (isFolder) return { name, folder };
  }
  return null;
}

function unknown(name: string, searchPath: string): RootfsError {
  const place =
    searchPath === "" ? "ELEMENTS_PATH is empty (elements-dir in nodepool.yaml)" : `not in ${searchPath}`;
  return new RootfsError(
    `unknown element "${name}": ${place}; the elements of diskimage-builder cannot be used here`,
  );
}

async function refuseInsideHooks({ name, folder }: Element): Promise<void> {
  for (const entry of await readdir(folder)) {
    if (INSIDE.includes(entry) || PACKAGES.test(entry)) {
      throw new RootfsError(
        `the element ${name} has ${entry}, which is for inside the image and needs diskimage-builder (dib-cmd: disk-image-create)`,
      );
    }
  }
}

async function words(file: string): Promise<string[]> {
  try {
    return (await readFile(file, "utf8")).split(/\s+/).filter((word) => word !== "");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}
