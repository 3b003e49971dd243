// Explains pools of the configuration whose provider cannot be used here. Pure.
import { unservedFor, whyUnserved } from "../pool/unserved.ts";
import { registeredName } from "../request/courtesy.ts";
import type { Decided, PoolExplanation } from "./explanation.ts";

/** Those that have all these labels, and that no other launcher serves. */
export function explainUnserved(
  { world }: Pick<Decided, "world">,
  labels: readonly string[],
): PoolExplanation[] {
  const registered = new Set([...world.tree.pools()].map(registeredName));
  const wanted = unservedFor(world.unserved, (pool) => registered.has(pool), labels);
  return wanted.map((one) => ({
    pool: one.pool,
    verdict: "not-offered",
    rule: "",
    reason: whyUnserved(one),
    remedy: "the provider has to answer, or its settings have to be mended; see nodepool providers",
  }));
}
