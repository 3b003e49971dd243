// What the clients of a simulated run saw, and whether it may be so. Pure: the runs write it, the checker reads it.

/** A write under a lock, with the number of the contender that it was made under (its fencing token). */
export interface GuardedWrite {
  readonly client: string;
  readonly node: string;
  /** No other write has the same. */
  readonly value: string;
  readonly token: number;
  /** `refused`: the server said no. `unknown`: nobody told what became of it. */
  readonly outcome: "committed" | "refused" | "unknown";
  /** The transaction that the server says it was; for committed writes. */
  readonly zxid: bigint | null;
}

/** A lock as the server showed it just after a client was told that it holds it. */
export interface Taken {
  readonly client: string;
  readonly root: string;
  readonly contender: string;
  /** Contenders in their order. */
  readonly line: readonly string[];
}

/** What a listener to a view knows of a node at the end: the value that it was last told of, null when it is gone. */
export interface Heard {
  readonly client: string;
  readonly node: string;
  readonly value: string | null;
}

/** A whole run. */
export interface History {
  readonly writes: readonly GuardedWrite[];
  readonly taken: readonly Taken[];
  /** Values that were written without a lock; they may or may not have been committed. */
  readonly otherValues: ReadonlySet<string>;
  /** Every value that a listener was ever told of. */
  readonly everHeard: readonly Heard[];
  readonly lastHeard: readonly Heard[];
  /** What each client's view shows at the end, by node. */
  readonly views: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** What the server has at the end, by node. */
  readonly tree: ReadonlyMap<string, string>;
  /** Contenders that are left at the end, though every lock was given back. */
  readonly leftContenders: readonly string[];
  /** Calls that were never settled. */
  readonly hung: readonly string[];
}

/** Whatever may not be, in words; empty when all is well. */
export function faultsOf(history: History): string[] {
  return [
    ...doubleLocks(history),
    ...lateWrites(history),
    ...cacheFaults(history),
    ...history.leftContenders.map((path) => `a contender is left behind: ${path}`),
    ...history.hung.map((call) => `never settled: ${call}`),
  ];
}

/**
 * Contenders are only ever added at the end of the line: who is seen behind another one now was behind it when he
 * was told that the lock is his.
 */
function doubleLocks({ taken }: History): string[] {
  return taken
    .filter(({ contender, line }) => line.includes(contender) && line[0] !== contender)
    .map(({ client, root, contender, line }) => {
      return `${client} was given ${root} as ${contender}, but ${line[0]} stood before it`;
    });
}

/** A write under a lock that was no longer held would come after one under a later contender. */
function lateWrites({ writes, tree }: History): string[] {
  const faults: string[] = [];
  const byNode = Map.groupBy(writes, ({ node }) => node);
  for (const [node, all] of byNode) {
    const committed = all.filter(({ zxid }) => zxid !== null);
    committed.sort((a, b) => Number((a.zxid ?? 0n) - (b.zxid ?? 0n)));
    let latest: GuardedWrite | undefined;
    for (const write of committed) {
      if (latest !== undefined && write.token < latest.token) {
        faults.push(
          `${node}: ${write.value} (lock ${write.token}) came after ${latest.value} (${latest.token})`,
        );
      }
      latest = write;
    }
    const last = all.find(({ value }) => value === tree.get(node));
    if (last?.outcome === "refused") faults.push(`${node}: ${last.value} was refused and is there`);
    if (last !== undefined && latest !== undefined && last.token < latest.token) {
      faults.push(
        `${node}: ${last.value} (lock ${last.token}) stands above ${latest.value} (${latest.token})`,
      );
    }
  }
  return faults;
}

/** At the end views and listeners know exactly what is there, and nobody ever heard of what nobody wrote. */
function cacheFaults(history: History): string[] {
  return [...viewFaults(history), ...missedEvents(history), ...inventedEvents(history)];
}

function viewFaults({ views, tree }: History): string[] {
  return [...views].flatMap(([client, view]) =>
    [...new Set([...view.keys(), ...tree.keys()])]
      .filter((node) => view.get(node) !== tree.get(node))
      .map((node) => `the view of ${client} has ${view.get(node)} for ${node}, where ${tree.get(node)} is`),
  );
}

function missedEvents({ views, tree, lastHeard }: History): string[] {
  const outdated = lastHeard
    .filter(({ node, value }) => value !== (tree.get(node) ?? null))
    .map(({ client, node, value }) => {
      return `${client} last heard of ${value} for ${node}, where ${tree.get(node) ?? null} is`;
    });
  const never = [...views.keys()].flatMap((client) => {
    const known = new Set(lastHeard.filter((heard) => heard.client === client).map(({ node }) => node));
    return [...tree.keys()]
      .filter((node) => !known.has(node))
      .map((node) => `${client} never heard of ${node}`);
  });
  return [...outdated, ...never];
}

function inventedEvents({ everHeard, writes, otherValues }: History): string[] {
  const outcomes = new Map(writes.map(({ value, outcome }) => [value, outcome]));
  return everHeard.flatMap(({ client, node, value }) => {
    if (value === null || otherValues.has(value)) return [];
    const outcome = outcomes.get(value);
    if (outcome === undefined) return [`${client} heard of ${value} for ${node}, which nobody wrote`];
    return outcome === "refused" ? [`${client} heard of ${value} for ${node}, which was refused`] : [];
  });
}
