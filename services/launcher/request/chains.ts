// Keeps launchers that race each other below a limit that they share.
//
// Each scope of limits (a provider with its pools, a tenant) has a mark in ZooKeeper: one znode whose name is a number
// and its writer. Who takes room replaces the mark by the next one in the transaction that records the nodes. That fails when
// somebody else was faster; he looks again then, and sees their nodes. Marks are known by their names, for these come
// into view in the order in which they were written, together with the nodes: never before them.
//
// One process may take room many times in a row without waiting for the answers: each of its transactions builds on
// the mark of the one before.
import { CLAIMS, claimMarkPath, claimScopePath } from "../../../lib/model/paths.ts";
import { isZooKeeperError, type Session } from "../../../lib/zookeeper/types.ts";
import type { View } from "../../../lib/zookeeper/view.ts";
import type { Transaction } from "../transaction.ts";

/** The place of one transaction in a scope's chain. */
export interface Link {
  readonly scope: string;
  /** The mark to replace. */
  readonly from: string;
  readonly to: string;
  readonly chain: number;
}

interface Chain {
  number: number;
  /** The last mark that we are about to write; null when the view's is the last. */
  last: string | null;
  open: number;
}

/** The mark that a scope begins with; it is made together with the scope, so that there never are two lines. */
const FIRST = "0".repeat(16);

/** Makes the scopes that are not there yet. */
export async function prepareScopes(session: Session, scopes: readonly string[]): Promise<void> {
  await session.ensurePath(CLAIMS);
  for (const scope of scopes) {
    const empty = { kind: "create", data: new Uint8Array(), mode: "persistent" } as const;
    try {
      await session.multi([
        { ...empty, path: claimScopePath(scope) },
        { ...empty, path: claimMarkPath(scope, FIRST) },
      ]);
    } catch (error) {
      if (!isZooKeeperError(error, "NODE_EXISTS")) throw error;
    }
  }
}

/** The scope of a provider's limits and its pools'. */
export const providerScope = (provider: string) => `provider:${encodeURIComponent(provider)}`;
/** The scope of a tenant's limits. */
export const tenantScope = (tenant: string) => `tenant:${encodeURIComponent(tenant)}`;

export class Chains {
  readonly #view: Pick<View, "claimMarks">;
  readonly #owner: string;
  readonly #chains = new Map<string, Chain>();

  /** `owner` is this process's own: no two of them may write the same mark. */
  constructor(view: Pick<View, "claimMarks">, owner: string) {
    this.#view = view;
    this.#owner = owner;
  }

  /** Takes the next place; to be called with the view on which the decision to take room was made. */
  link(scope: string): Link {
    const chain = this.#chains.get(scope) ?? { number: 0, last: null, open: 0 };
    this.#chains.set(scope, chain);
    const from = chain.last ?? this.#view.claimMarks(scope).toSorted().at(-1) ?? FIRST;
    const number = Number.parseInt(from, 10) + 1;
    const to = `${String(number).padStart(16, "0")}-${this.#owner}`;
    chain.last = to;
    chain.open += 1;
    return { scope, from, to, chain: chain.number };
  }

  /** The transaction has ended, and the view shows what came of it. After a failure the chain begins anew. */
  end(link: Link, succeeded: boolean): void {
    const chain = this.#chains.get(link.scope);
    if (chain === undefined) return;
    chain.open -= 1;
    if (!succeeded && link.chain === chain.number) {
      chain.number += 1;
      chain.last = null;
    }
    if (chain.open === 0) this.#chains.delete(link.scope);
  }
}

/** Adds the steps of a link: the transaction fails when somebody else has taken room in the scope meanwhile. */
export function addLink(steps: Transaction, link: Link): void {
  steps.delete(claimMarkPath(link.scope, link.from));
  steps.create(claimMarkPath(link.scope, link.to), new Uint8Array(), "persistent");
}
