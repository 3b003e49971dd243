// Since when something is seen to be missing: facts that ZooKeeper does not keep.
import type { View } from "../../lib/zookeeper/view.ts";
import { builderIdOf } from "./folder_claim.ts";

export class Absences {
  readonly #locks = new Map<string, number>();
  readonly #builders = new Map<string, number>();
  #besidePython = false;

  /** Since when another builder's running build is seen without its lock (seconds); by build id. */
  get lockFreeSince(): ReadonlyMap<string, number> {
    return this.#locks;
  }

  /**
   * Since when a builder that has made builds is not seen to run (seconds); by builder id. Beside a Python builder nobody
   * is missed: which builds are its own cannot be told.
   */
  get awaySince(): ReadonlyMap<string, number> {
    return this.#builders;
  }

  /** Whether a Python builder is seen to run. */
  get besidePython(): boolean {
    return this.#besidePython;
  }

  /** Looks around. @param builderId of this builder, whose own builds never miss their lock */
  look(view: Pick<View, "images" | "components">, now: number, builderId: string): void {
    const present = presentBuilders(view);
    this.#besidePython = present.has(null);
    const free = new Set<string>();
    const away = new Set<string>();
    for (const { lock, builds } of view.images()) {
      for (const { build, record } of builds) {
        if (record === null || record.builderId === builderId) continue;
        if (record.state === "building" && lock.contenders.length === 0) free.add(build);
        if (!this.#besidePython && record.builderId !== null && !present.has(record.builderId))
          away.add(record.builderId);
      }
    }
    note(this.#locks, free, now);
    note(this.#builders, away, now);
  }
}

/**
 * The ids of the builders that run; null is for Python ones, which do not tell theirs. Nor do their hosts tell: a component has
 * the host's plain name, a build its full one.
 */
function presentBuilders(view: Pick<View, "components">): ReadonlySet<string | null> {
  const records = [...view.components()].flatMap(({ record }) => (record === null ? [] : [record]));
  return new Set(records.filter(({ kind }) => kind === "builder").map(builderIdOf));
}

function note(since: Map<string, number>, missing: ReadonlySet<string>, now: number): void {
  for (const name of since.keys()) if (!missing.has(name)) since.delete(name);
  // What was missed in the future was missed before the clock was set back.
  for (const name of missing) since.set(name, Math.min(since.get(name) ?? now, now));
}
