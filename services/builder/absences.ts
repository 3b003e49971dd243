// Since when something is seen to be missing: facts that ZooKeeper does not keep.
import type { BuildRecord } from "../../lib/model/image.ts";
import type { View } from "../../lib/zookeeper/view.ts";
import { builderIdOf } from "./folder_claim.ts";

export class Absences {
  readonly #locks = new Map<string, number>();
  readonly #builders = new Map<string, number>();

  /** Since when another builder's running build is seen without its lock (seconds); by build id. */
  get lockFreeSince(): ReadonlyMap<string, number> {
    return this.#locks;
  }

  /** Since when a builder that has made builds is not seen to run (seconds); by builder id. */
  get awaySince(): ReadonlyMap<string, number> {
    return this.#builders;
  }

  /** Looks around. @param builderId of this builder, whose own builds never miss their lock */
  look(view: Pick<View, "images" | "components">, now: number, builderId: string): void {
    const isSeen = presence(view);
    const free = new Set<string>();
    const away = new Set<string>();
    for (const { lock, builds } of view.images()) {
      for (const { build, record } of builds) {
        if (record === null || record.builderId === builderId) continue;
        if (record.state === "building" && lock.contenders.length === 0) free.add(build);
        if (record.builderId !== null && !isSeen(record)) away.add(record.builderId);
      }
    }
    note(this.#locks, free, now);
    note(this.#builders, away, now);
  }
}

/** Tells whether the builder that made a build runs. A Python builder tells the name of its host only. */
function presence(view: Pick<View, "components">): (build: BuildRecord) => boolean {
  const ids = new Set<string>();
  const hosts = new Set<string | null>();
  for (const { record } of view.components()) {
    if (record?.kind !== "builder") continue;
    const id = builderIdOf(record);
    if (id === null) hosts.add(record.hostname);
    else ids.add(id);
  }
  return ({ builder, builderId }) => ids.has(builderId ?? "") || (builder !== null && hosts.has(builder));
}

function note(since: Map<string, number>, missing: ReadonlySet<string>, now: number): void {
  for (const name of since.keys()) if (!missing.has(name)) since.delete(name);
  // What was missed in the future was missed before the clock was set back.
  for (const name of missing) since.set(name, Math.min(since.get(name) ?? now, now));
}
