import type { Cursor } from "./cursor.ts";
import type { Examined } from "./examine.ts";
import { didYouMean } from "./nearest.ts";
import type { ProviderConfig } from "./types.ts";

// Metastatic labels stand on others. Something that is not metastatic must be at the bottom.

/** The labels whose nodes are shared, with the labels that share them. */
export function backedBy(providers: readonly ProviderConfig[]): Map<string, Set<string>> {
  const backing = new Map<string, Set<string>>();
  for (const { driver, pools } of providers) {
    if (driver !== "metastatic") continue;
    for (const { name, settings } of pools.flatMap((pool) => pool.labels)) {
      const below = settings["backing-label"];
      if (typeof below === "string") backing.set(below, (backing.get(below) ?? new Set()).add(name));
    }
  }
  return backing;
}

/** Warns of backing labels that nobody defines or serves, and of those that lead back to themselves. */
export function examineBacking({ row, providers }: Examined): void {
  const defined = new Set(row.labels.map(({ name }) => name));
  const solid = new Set<string>();
  const below = new Map<string, Set<string>>();
  for (const [backing, shares] of backedBy(providers)) {
    for (const share of shares) below.set(share, (below.get(share) ?? new Set()).add(backing));
  }
  for (const { driver, pools } of providers) {
    if (driver === "metastatic") continue;
    for (const label of pools.flatMap((pool) => pool.labels)) solid.add(label.name);
  }
  const circular = (label: string) => !solid.has(label) && reaches(label, label, below, solid);
  for (const { at, driver } of row.providers) {
    if (driver !== "metastatic") continue;
    for (const label of (at.key("pools")?.items() ?? []).flatMap(
      (pool) => pool.key("labels")?.items() ?? [],
    )) {
      examineOne(label.key("backing-label"), label.key("name")?.text() ?? "", {
        defined,
        isSolid: (name) => solid.has(name),
        isShared: (name) => below.has(name),
        circular,
      });
    }
  }
}

interface Ground {
  readonly defined: ReadonlySet<string>;
  readonly isSolid: (label: string) => boolean;
  readonly isShared: (label: string) => boolean;
  readonly circular: (label: string) => boolean;
}

function examineOne(place: Cursor | null, label: string, ground: Ground): void {
  const backing = place?.text() ?? null;
  if (place === null || backing === null) return;
  if (!ground.defined.has(backing)) {
    place.warning(
      () =>
        `label ${backing} is not defined${didYouMean(backing, ground.defined) || "; add it to the top-level labels"}`,
    );
  } else if (ground.circular(label)) {
    place.warning(
      `leads from label ${label} back to itself, so no node can ever be launched; name another label`,
    );
  } else if (!ground.isSolid(backing) && !ground.isShared(backing)) {
    place.warning(
      `label ${backing} is in no pool, so there is nothing to share; add it to a pool of another provider`,
    );
  }
}

/** Whether one comes from a label to `goal` by backing labels that no other driver serves. */
function reaches(
  from: string,
  goal: string,
  below: ReadonlyMap<string, ReadonlySet<string>>,
  solid: ReadonlySet<string>,
): boolean {
  const seen = new Set<string>();
  const open = [...(below.get(from) ?? [])];
  for (let label = open.pop(); label !== undefined; label = open.pop()) {
    if (label === goal) return true;
    if (seen.has(label) || solid.has(label)) continue;
    seen.add(label);
    open.push(...(below.get(label) ?? []));
  }
  return false;
}
