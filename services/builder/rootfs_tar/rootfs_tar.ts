import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, readdir, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { removeTree } from "../../../lib/host/remove_tree.ts";
import { findMounts } from "../host_remains.ts";
import type { RootfsArguments } from "./arguments.ts";
import { RootfsError } from "./arguments.ts";
import { copyHooks, findElements } from "./elements.ts";
import { runPhase } from "./hooks.ts";
import { packTree } from "./pack.ts";

export interface RootfsOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isRoot: boolean;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

/** The phases of diskimage-builder whose hooks run beside the image, in its order. */
const PHASES = ["root.d", "extra-data.d", "post-root.d", "pre-finalise.d", "cleanup.d"];

/** Builds the files that were asked for; on failure none of them is left. @throws {RootfsError} */
export async function buildRootfs(args: RootfsArguments, options: RootfsOptions): Promise<void> {
  const { env, signal } = options;
  const elements = await findElements(args.elements, env.ELEMENTS_PATH ?? "");
  const note = args.trace ? options.print : () => {};
  note(`elements: ${elements.map(({ name }) => name).join(" ")}`);
  const folder = await mkdtemp(join(env.TMP_DIR ?? tmpdir(), "nodepool-rootfs-"));
  try {
    const tree = join(folder, "mnt");
    const hooks = join(folder, "hooks");
    await mkdir(tree, { mode: 0o755 });
    await copyHooks(elements, hooks);
    const hookEnv = {
      ...env,
      TARGET_ROOT: tree,
      TMP_MOUNT_PATH: tree,
      TMP_HOOKS_PATH: hooks,
      TMP_BUILD_DIR: folder,
      IMAGE_NAME: args.output,
      IMAGE_ELEMENT: elements.map(({ name }) => name).join(" "),
    };
    for (const phase of PHASES) await runPhase(phase, { hooks, env: hookEnv, print: note, signal });
    if ((await readdir(tree)).length === 0) {
      throw new RootfsError("no element has filled the root file system; one of them must have a root.d");
    }
    for (const type of args.types) await writeOutput(tree, type, args, options);
  } finally {
    await clear(folder, options);
  }
}

/** What a hook has mounted is not the image's: to delete through it would delete what is there on this machine. */
async function clear(folder: string, { print }: RootfsOptions): Promise<void> {
  const [mount] = await findMounts(await realpath(folder));
  if (mount === undefined) await removeTree(folder);
  else print(`${folder} stays: ${mount} is still mounted; unmount it and remove the folder`);
}

async function writeOutput(
  tree: string,
  type: string,
  args: RootfsArguments,
  { isRoot, print, signal }: RootfsOptions,
): Promise<void> {
  const file = `${args.output}.${type}`;
  // Under another name until it is whole; the extension says whether it is compressed.
  const partial = `${args.output}.partial.${type}`;
  try {
    await packTree(tree, partial, { ownersAreReal: isRoot, signal });
    if (args.checksum && type === "tgz") await writeChecksums(partial, file);
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  const { size } = await stat(file);
  print(`wrote ${basename(file)}, ${(size / 1_000_000).toFixed(1)} MB`);
}

/** As md5sum and sha256sum write them. */
async function writeChecksums(content: string, file: string): Promise<void> {
  for (const algorithm of ["md5", "sha256"]) {
    const hash = createHash(algorithm);
    for await (const chunk of createReadStream(content)) hash.update(chunk);
    await writeFile(`${file}.${algorithm}`, `${hash.digest("hex")}  ${file}\n`);
  }
}
