// The build command as Nodepool runs it: same arguments, same environment, no shell.
import type { DiskImageConfig } from "../../lib/config/types.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { shellWords } from "./shell_words.ts";
import { workspaceEnvironment } from "./workspace.ts";

/** What to build, and where to. */
export interface BuildOrder {
  readonly diskimage: DiskImageConfig;
  readonly build: string;
  /** The build's own folder for temporary files. */
  readonly workspace: string;
  /** The output path without an extension. */
  readonly stem: string;
  readonly elementsDir: string | null;
  /** The builder's own environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What `%p` in the build command stands for. */
  readonly packageDir: string;
  /** Where the log is, for messages. */
  readonly logPath: string;
}

/** A build that made no usable image. `message` is one sentence for the operator. */
export class BuildFailure extends Error {
  override name = "BuildFailure";
  /** The command's exit status, or null when it did not end by itself. */
  readonly exitCode: number | null;

  constructor(message: string, exitCode: number | null = null) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The words of the build command. @throws {BuildFailure} when `dib-cmd` cannot be split */
export function buildCommand(order: BuildOrder): string[] {
  const { diskimage, stem } = order;
  // diskimage-builder makes a squashfs only when it is the first format, and says nothing otherwise.
  const types = diskimage.formats.toSorted((a, b) => Number(b === "squashfs") - Number(a === "squashfs"));
  const options = ["-x", "-t", types.join(","), "--checksum", "--no-tmpfs"];
  try {
    const command = shellWords(diskimage.dibCommand.replaceAll("%p", order.packageDir));
    // What Nodepool always asks for: old clouds need it. An image that needs something else says so in dib-cmd.
    const own = command.some((word) => word.startsWith("--qemu-img-options"));
    const qcow2 = types.some((type) => type.includes("qcow2"));
    if (qcow2 && !own) options.push("--qemu-img-options", "compat=0.10");
    const elements = diskimage.elements.flatMap(shellWords);
    return [...command, ...options, "-o", stem, ...elements];
  } catch (error) {
    throw new BuildFailure(`dib-cmd or elements of ${diskimage.name} cannot be read: ${messageOf(error)}`);
  }
}

/**
 * The environment of the build command: the builder's own, Nodepool's variables, the image's `env-vars`, and over all
 * what makes the build's processes and temporary files known as its own.
 */
export function buildEnvironment(order: BuildOrder): Record<string, string> {
  const { diskimage, build, stem, elementsDir, workspace } = order;
  const own = Object.entries(order.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    ...Object.fromEntries(own),
    DIB_RELEASE: diskimage.release,
    DIB_IMAGE_NAME: diskimage.name,
    DIB_IMAGE_FILENAME: stem,
    ...(elementsDir === null ? {} : { ELEMENTS_PATH: elementsDir }),
    ...diskimage.envVars,
    ...workspaceEnvironment(workspace, build),
  };
}
