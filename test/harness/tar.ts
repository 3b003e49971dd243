// Looks into tars that tests have built.
import { createReadStream } from "node:fs";
import { extract } from "tar-stream";

/** An entry of a tar; the path without the leading "./". */
export interface TarEntry {
  readonly path: string;
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly link: string;
  readonly text: string;
}

/** All entries by their path. */
export async function readTar(file: string): Promise<ReadonlyMap<string, TarEntry>> {
  const entries = new Map<string, TarEntry>();
  const archive = createReadStream(file).pipe(extract());
  for await (const entry of archive) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry as AsyncIterable<Uint8Array>) chunks.push(Buffer.from(chunk));
    const { name, type, mode = 0, uid = 0, gid = 0, linkname } = entry.header;
    const path = name.replace(/^\.\//, "").replace(/\/$/, "");
    const text = Buffer.concat(chunks).toString("utf8");
    entries.set(path, { path, type: type ?? "", mode, uid, gid, link: linkname ?? "", text });
  }
  return entries;
}
