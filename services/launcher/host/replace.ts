// The record that takes the place of one whose node was used: same slot, in the same transaction, so that no slot is
// ever without a record or with two.
import { isDeepStrictEqual } from "node:util";
import type { NodeRecord } from "../../../lib/model/node.ts";
import { type Environment, nowOf } from "../environment.ts";
import { isEnabled } from "../pool/served.ts";
import { suspicionOf, wasUsed } from "../request/own_data.ts";
import { examineHost } from "./check.ts";
import { knownKeys } from "./judge.ts";
import { jobOf, type Memory, memoryOf, withSuspicion } from "./memory.ts";
import { newSlotRecord } from "./record.ts";
import { hostKey } from "./slots.ts";

/**
 * Checks the host of a node that is about to be removed and makes the slot's next record: ready, or out of service.
 * Null when the node stands for no slot.
 *
 * @param record the node; what its user held against the host is in it, and whether it was used, also when another
 *   launcher began the deletion. A host that cannot be used after it was used is suspicious.
 */
export async function replacementOf(
  environment: Environment,
  node: string,
  record: NodeRecord,
  signals: readonly AbortSignal[],
): Promise<NodeRecord | null> {
  const { hand, hosts } = environment;
  const placed = hosts.slotOf(node);
  if (placed === undefined || !isEnabled(placed.pool)) return null;
  await examineHost(environment, placed, AbortSignal.any([...signals]));
  // The configuration may have changed meanwhile.
  const slot = hosts.slotOf(node);
  if (slot === undefined || !isDeepStrictEqual(slot.host, placed.host)) return null;
  const now = nowOf(environment);
  const problem = hand.hosts.get(hostKey(slot))?.last?.problem ?? null;
  const reason = suspicionOf(record) ?? (wasUsed(record) ? problem : null);
  const memory = reason === null ? memoryOf(record) : blamed(record, reason, now);
  const judgement = hosts.judge(slot, [memory]);
  if (judgement.kind === "unknown") return null;
  const known = knownKeys(slot.host, hosts.nodesOf(slot));
  return newSlotRecord(slot, judgement, { memory, hostKeys: known, now });
}

function blamed(record: NodeRecord, reason: string, now: number): Memory {
  return withSuspicion(memoryOf(record), { time: now, job: jobOf(record), reason });
}
