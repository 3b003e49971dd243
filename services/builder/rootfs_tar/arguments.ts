import { parseArgs } from "node:util";

/** What the command line asks for: that of disk-image-create, as far as it makes sense here. */
export interface RootfsArguments {
  readonly types: readonly RootfsType[];
  /** The path of the output without its extension. */
  readonly output: string;
  readonly elements: readonly string[];
  /** Write .md5 and .sha256 where disk-image-create does. */
  readonly checksum: boolean;
  readonly trace: boolean;
}

export type RootfsType = "tar" | "tgz";

/** The command line, an element or a hook is wrong; the message says all. */
export class RootfsError extends Error {
  override name = "RootfsError";
}

export const USAGE = `Usage: nodepool-rootfs-tar [-x] [-t tar,tgz] [--checksum] [-o OUTPUT] ELEMENT...

Builds a tar of a root file system, without root and without diskimage-builder, from elements on ELEMENTS_PATH whose
hooks run beside the image (root.d, extra-data.d, post-root.d, pre-finalise.d, cleanup.d).

  -o OUTPUT     path of the output, without its extension (default: image)
  -t TYPES      tar, tgz, or both with a comma (default: tar)
  -x            say what is done
  --checksum    write OUTPUT.tgz.md5 and OUTPUT.tgz.sha256; a plain tar has none, as with disk-image-create
  -n, --no-tmpfs, --qemu-img-options X
                taken and ignored, so that the command line of disk-image-create fits`;

const OPTIONS = {
  x: { type: "boolean", short: "x", default: false },
  t: { type: "string", short: "t", default: "tar" },
  o: { type: "string", short: "o", default: "image" },
  n: { type: "boolean", short: "n" },
  checksum: { type: "boolean", default: false },
  "no-tmpfs": { type: "boolean" },
  "qemu-img-options": { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Reads the command line (without the program); null when only help is wanted. @throws {RootfsError} */
export function readArguments(args: readonly string[]): RootfsArguments | null {
  const { values, positionals } = parse(args);
  if (values.help) return null;
  const types = [...new Set(values.t.split(","))].map(typeOf);
  if (positionals.length === 0) throw new RootfsError("name at least one element");
  const [only] = types;
  const extension = types.length === 1 ? `.${only}` : "";
  const output =
    extension !== "" && values.o.endsWith(extension) ? values.o.slice(0, -extension.length) : values.o;
  return { types, output, elements: positionals, checksum: values.checksum, trace: values.x };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/\. To specify a positional.*$/s, "") : "";
    throw new RootfsError(`${reason}; see --help`);
  }
}

function typeOf(type: string): RootfsType {
  if (type === "tar" || type === "tgz") return type;
  throw new RootfsError(
    `cannot make the type "${type}", only tar and tgz; for other formats use diskimage-builder (dib-cmd: disk-image-create)`,
  );
}
