// Explains the host of a node. Pure.
import { keys } from "../actions.ts";
import { memoryOf } from "../host/memory.ts";
import { hostKey } from "../host/slots.ts";
import type { Decided } from "./explanation.ts";

/** What is known of the host that the node is a slot of; nothing for a node that was launched. */
export function hostFacts({ hand, index, now }: Decided["world"], id: string): string[] {
  const slot = index.hosts.slotOf(id);
  if (slot === undefined) return [];
  const { host, number, node } = slot;
  // The clocks of launchers differ.
  const ago = (time: number) => `${Math.max(0, Math.round(now - time))} s ago`;
  const slots = `${host.slots} ${host.slots === 1 ? "slot" : "slots"}`;
  const facts = [`it is slot ${number} of host ${host.identity}, which has ${slots}`];
  const machine = index.hosts.machineOf(hostKey(slot)) ?? "";
  const undecided = index.undecided.get(keys.machine(machine));
  if (undecided !== undefined) facts.push(`its host: ${undecided.reason}`);
  const status = hand.hosts.get(hostKey(slot));
  if (status?.last) {
    const { at, problem } = status.last;
    facts.push(`this launcher checked the host ${ago(at)}: ${problem ?? "it passed"}`);
  }
  if (status?.checkingSince) facts.push("the host is being checked");
  for (const { time, job, reason } of node === null ? [] : memoryOf(node.record).suspicions) {
    facts.push(`a suspicious run ${ago(time)}, of ${job}: ${reason}`);
  }
  return facts;
}
