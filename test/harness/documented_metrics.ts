import { readFile } from "node:fs/promises";
import { PROJECT } from "./program.ts";

/** The names of the metrics that docs/operating.md lists, as nodepool.nodes. */
export async function documentedMetrics(): Promise<string[]> {
  const page = await readFile(`${PROJECT}/docs/operating.md`, "utf8");
  const rows = page.matchAll(/^\| `([\w.]+)` \| (?:both|launcher|builder) \|/gm);
  return Array.from(rows, ([, name = ""]) => name);
}
