import type { Cursor } from "./cursor.ts";

/** Of several with the same name the last one counts, as with Nodepool. */
export function byName<T extends { readonly name: string; readonly at: Cursor }>(
  rows: readonly T[],
  kind: string,
): Map<string, T> {
  const named = new Map<string, T>();
  for (const row of rows) {
    if (named.has(row.name)) {
      row.at
        .key("name")
        ?.warning(`${kind} ${row.name} already defined above; this one counts, remove the other`);
    }
    named.set(row.name, row);
  }
  return named;
}
