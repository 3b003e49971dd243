// Explains the host of a node. Pure.
import { memoryOf } from "../host/memory.ts";
import { hostKey } from "../host/slots.ts";
import type { Decided } from "./explanation.ts";

/** What is known of the host that the node is a slot of; nothing for a node that was launched. */
export function hostFacts({ hand, index, now }: Decided["world"], id: string): string[] {
  const slot = index.hosts.slotOf(id);
  if (slot === undefined) return [];
  const { host, number, node } = slot;
  const facts = [`it is slot ${number} of the ${host.slots} of host ${host.identity}`];
  const status = hand.hosts.get(hostKey(slot));
  if (status?.last) {
    const { at, problem } = status.last;
    facts.push(`this launcher checked the host ${Math.round(now - at)} s ago: ${problem ?? "it passed"}`);
  }
  if (status?.checkingSince) facts.push("the host is being checked");
  for (const { time, job, reason } of node === null ? [] : memoryOf(node.record).suspicions) {
    facts.push(`a suspicious run ${Math.round(now - time)} s ago, of ${job}: ${reason}`);
  }
  return facts;
}
