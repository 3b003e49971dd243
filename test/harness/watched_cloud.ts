// A fake cloud that knows which of its instances somebody works on or keeps, and tells of each that is deleted all the
// same. It knows of slots too: those of its instances that are shared out, and those of hosts.
import { type Instance, METADATA } from "../../lib/provider/contract.ts";
import type { InstanceWish } from "../../lib/provider/fake/api.ts";
import { FakeCloud } from "../../lib/provider/fake/cloud.ts";

/** What is known of a node that somebody works on. */
export interface WorkedOn {
  readonly id: string;
  readonly externalId: string;
  readonly connectionPort: unknown;
  readonly slot: number | null;
  /** The id of the node that it has a share of. */
  readonly backing: string | null;
}

/** An instance by its id; a slot with the node that has it now, as "slot 0 of node 0000000001/0000000002". */
export function machineOf({ id, externalId, connectionPort, slot, backing }: WorkedOn): string {
  if (slot === null) return externalId;
  const where = backing === null ? `${externalId}:${connectionPort}` : `node ${backing}`;
  return `slot ${slot} of ${where}/${id}`;
}

/** The slot without the node, or the instance. */
export const placeOf = (machine: string): string => machine.split("/", 1)[0] ?? machine;
/** The node whose instance a slot is on; null for a host's, and for an instance. */
const beneath = (machine: string) => /^slot \d+ of node (\w+)/.exec(machine)?.[1] ?? null;

export class WatchedCloud extends FakeCloud {
  /** What somebody works on, as {@link machineOf} names it. */
  readonly inUse = new Set<string>();
  /** What an operator keeps. */
  readonly kept = new Set<string>();
  /** What an operator has given up: it may go whoever works on it. */
  readonly doomed = new Set<string>();
  /** How often it was asked to make or delete an instance. */
  changes = 0;
  /** What was deleted or given out twice while somebody worked on it. */
  readonly wrongs: string[] = [];

  /** Hears of each of them. */
  onWrong: (what: string) => void = () => {};

  #wrong(what: string): void {
    this.wrongs.push(what);
    this.onWrong(what);
  }

  /** Somebody begins to work on a machine. */
  use(machine: string): void {
    if (this.#isDoomed(machine)) return;
    const place = placeOf(machine);
    const other = [...this.inUse].find((one) => placeOf(one) === place);
    if (other !== undefined) this.#wrong(`${machine} was given out twice, also as ${other}`);
    if (!this.#isThere(machine)) this.#wrong(`${machine} was given out and is not there`);
    this.inUse.add(machine);
  }

  /** An operator keeps a machine. */
  keep(machine: string): void {
    if (!this.#isDoomed(machine)) this.kept.add(machine);
  }

  /** An operator gives a machine up. */
  doom(machine: string): void {
    this.doomed.add(machine);
    this.inUse.delete(machine);
    this.kept.delete(machine);
  }

  /** An operator gives up all that is, or will be, on the instance of a node. */
  doomAllOn(node: string): void {
    this.doomed.add(`node ${node}`);
    for (const machine of [...this.inUse, ...this.kept]) if (beneath(machine) === node) this.doom(machine);
  }

  #isDoomed(machine: string): boolean {
    return this.doomed.has(machine) || this.doomed.has(`node ${beneath(machine)}`);
  }

  #isThere(machine: string): boolean {
    const node = beneath(machine);
    if (node === null) return machine.startsWith("slot ") || this.instances.has(machine);
    return [...this.instances.values()].some(({ metadata }) => metadata[METADATA.node] === node);
  }

  override createInstance(wish: InstanceWish, signal: AbortSignal): Promise<Instance> {
    this.changes += 1;
    return super.createInstance(wish, signal);
  }

  override deleteInstance(id: string, signal: AbortSignal): Promise<void> {
    this.changes += 1;
    const node = this.instances.get(id)?.metadata[METADATA.node];
    const isOnIt = (machine: string) => machine === id || (node !== undefined && beneath(machine) === node);
    const used = [...this.inUse].find(isOnIt);
    const kept = [...this.kept].find(isOnIt);
    const why = used ? `${used} was in use` : kept ? `an operator kept ${kept}` : null;
    if (why !== null) this.#wrong(`${id} (${this.instances.get(id)?.name}) was deleted while ${why}`);
    return super.deleteInstance(id, signal);
  }
}
