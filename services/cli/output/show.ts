// Shows a listing as the reader wants it: Nodepool's table, or the API's JSON forms in an array.
import type { CommandContext } from "../context.ts";
import { formatTable } from "./table.ts";

/** One column: its head and the text of its cells. */
export type Column<T> = readonly [head: string, cell: (item: T) => string];

/** Writes items to standard output. */
export function show<T>(
  { host, output }: CommandContext,
  items: readonly T[],
  columns: readonly Column<T>[],
  toJson: (item: T) => unknown,
): void {
  if (output === "json") {
    host.stdout.write(`${JSON.stringify(items.map(toJson), null, 2)}\n`);
    return;
  }
  const header = columns.map(([head]) => head);
  const rows = items.map((item) => columns.map(([, cell]) => cell(item)));
  host.stdout.write(formatTable(header, rows));
}

/** All pages of a listing, one after the other. */
export async function allPages<T>(
  fetch: (pageToken: string) => Promise<{ items: readonly T[]; nextPageToken: string }>,
): Promise<T[]> {
  const all: T[] = [];
  let pageToken = "";
  do {
    const { items, nextPageToken } = await fetch(pageToken);
    all.push(...items);
    pageToken = nextPageToken;
  } while (pageToken !== "");
  return all;
}
