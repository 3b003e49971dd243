// Explains pools that are not registered: their provider cannot be used here, or their launcher is away. Pure.
import { whyAway } from "../pool/away.ts";
import { unservedFor, whyUnserved } from "../pool/unserved.ts";
import { awayFor, registeredName } from "../request/courtesy.ts";
import type { Decided, PoolExplanation } from "./explanation.ts";

/** Those that have all these labels, and that no launcher serves. */
export function explainUnserved(
  { world }: Pick<Decided, "world">,
  labels: readonly string[],
): PoolExplanation[] {
  const registered = [...world.tree.pools()];
  const names = new Set(registered.map(registeredName));
  const unserved = unservedFor(world.unserved, (pool) => names.has(pool), labels);
  const plain = { verdict: "not-offered", rule: "" } as const;
  return [
    ...unserved.map((one) => ({
      ...plain,
      pool: one.pool,
      reason: whyUnserved(one),
      remedy: "the provider has to answer, or its settings have to be mended; see nodepool providers",
    })),
    ...awayFor(world.hand, registered, labels).map((one) => ({
      ...plain,
      pool: one.pool,
      reason: whyAway(one, world.now),
      remedy: `start the launcher${one.hostname === null ? "" : ` on ${one.hostname}`} that serves it`,
    })),
  ];
}
