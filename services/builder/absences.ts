// Since when something is seen to be missing: facts that ZooKeeper does not keep.
import type { View } from "../../lib/zookeeper/view.ts";

export class Absences {
  readonly #locks = new Map<string, number>();
  readonly #builders = new Map<string, number>();

  /** Since when another builder's running build is seen without its lock (seconds); by build id. */
  get lockFreeSince(): ReadonlyMap<string, number> {
    return this.#locks;
  }

  /** Since when no builder runs on a host that has made builds (seconds); by host name. */
  get awaySince(): ReadonlyMap<string, number> {
    return this.#builders;
  }

  /** Looks around. @param builderId of this builder, whose own builds never miss their lock */
  look(view: Pick<View, "images" | "components">, now: number, builderId: string): void {
    const free = new Set<string>();
    const makers = new Set<string>();
    for (const { lock, builds } of view.images()) {
      for (const { build, record } of builds) {
        if (record === null || record.builderId === builderId) continue;
        if (record.builder !== null) makers.add(record.builder);
        if (record.state === "building" && lock.contenders.length === 0) free.add(build);
      }
    }
    for (const { record } of view.components()) {
      if (record?.kind === "builder" && record.hostname !== null) makers.delete(record.hostname);
    }
    note(this.#locks, free, now);
    note(this.#builders, makers, now);
  }
}

function note(since: Map<string, number>, missing: ReadonlySet<string>, now: number): void {
  for (const name of since.keys()) if (!missing.has(name)) since.delete(name);
  for (const name of missing) if (!since.has(name)) since.set(name, now);
}
