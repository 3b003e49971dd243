import { DocumentError } from "../model/codec.ts";
import type { Written } from "./types.ts";
import type { Entry } from "./view.ts";

/** A znode as it was read, or as a write of ours has left it. */
export type Znode = Written;

/** The entry that a decoder's result makes. */
export type Read<Decode extends (data: Uint8Array) => unknown> = Entry<ReturnType<Decode>>;

/** The entry of a znode: with its record, or with the problem that its document has. */
export function readEntry<T>(decode: (data: Uint8Array) => T, path: string, { data, stat }: Znode): Entry<T> {
  const common = { version: stat.version, createdAt: stat.ctime / 1000, modifiedAt: stat.mtime / 1000 };
  try {
    return { record: decode(data), problem: null, ...common };
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    return { record: null, problem: `${path}: ${error.message}`, ...common };
  }
}
