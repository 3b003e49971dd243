// nodepool export-image-data
import { writeFile } from "node:fs/promises";
import { messageOf } from "../../../lib/std/errors.ts";
import type { Command } from "../context.ts";
import { CommandError, EXIT } from "../host.ts";

export const run: Command = async ({ host, clients }, [path = ""]) => {
  const { images } = await clients();
  const data: Record<string, string> = {};
  for await (const { datum } of images.exportImageData({})) {
    if (datum !== undefined) data[datum.path] = datum.data;
  }
  try {
    await writeFile(path, JSON.stringify(data), { mode: 0o600 });
  } catch (error) {
    throw new CommandError(`cannot write ${path}: ${messageOf(error)}`);
  }
  host.stderr.write(`${Object.keys(data).length} records were written to ${path}\n`);
  return EXIT.ok;
};
