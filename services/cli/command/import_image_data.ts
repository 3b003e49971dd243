// nodepool import-image-data
import { readFile } from "node:fs/promises";
import { messageOf } from "../../../lib/std/errors.ts";
import type { Command } from "../context.ts";
import { CommandError, EXIT } from "../host.ts";

/** How long an image may take: each of its uploads is several writes. */
const DEADLINE_MS = 60_000;

export const run: Command = async ({ host, clients }, [path = ""]) => {
  const { images } = await clients();
  const data = await read(path);
  // One image a call: each is written at once.
  const byImage = Map.groupBy(data, (datum) => datum.path.split("/")[3] ?? "");
  let written = 0;
  for (const data of byImage.values()) {
    written += (await images.importImageData({ data }, { deadlineMs: DEADLINE_MS })).written;
  }
  const there = data.length - written;
  host.stderr.write(`${written} records were written, ${there} were there already\n`);
  return EXIT.ok;
};

async function read(path: string): Promise<{ path: string; data: string }[]> {
  try {
    const document: unknown = JSON.parse(await readFile(path, "utf8"));
    if (typeof document !== "object" || document === null || Array.isArray(document)) {
      throw new Error("expected a JSON object of paths and documents, as export-image-data writes it");
    }
    return Object.entries(document).map(([znode, data]) => {
      if (typeof data !== "string") throw new Error(`the document of ${znode} is no string`);
      return { path: znode, data };
    });
  } catch (error) {
    throw new CommandError(`cannot read ${path}: ${messageOf(error)}`);
  }
}
