// The machines of our static pools with their records, kept up record by record: which record stands for which slot,
// and which machines have to be decided about anew.
import { isReadable } from "../../../lib/zookeeper/view.ts";
import type { Tree } from "../actions.ts";
import type { ServedPool } from "../pool/served.ts";
import { type Assignment, assignSlots, hostKey, type PlacedHost, type Slot } from "./slots.ts";

const EMPTY: Assignment = { slots: [], surplus: [] };

/** Hosts that share a name at a provider are one machine. */
const machineKey = (provider: string, name: string) => `${provider}\n${name}`;

export class HostIndex {
  readonly #tree: Pick<Tree, "node">;
  readonly #providers = new Set<string>();
  readonly #hosts = new Map<string, PlacedHost[]>();
  readonly #machineOf = new Map<string, string>();
  readonly #nodes = new Map<string, Set<string>>();
  readonly #machineOfNode = new Map<string, string>();
  readonly #assignments = new Map<string, Assignment>();
  /** Machines whose records cannot be assigned: they have no slots until something of them changes. */
  readonly #leftOut = new Set<string>();
  #touched = new Set<string>();

  constructor(tree: Pick<Tree, "node">, pools: readonly ServedPool[]) {
    this.#tree = tree;
    for (const pool of pools) {
      if (!pool.hosts) continue;
      this.#providers.add(pool.provider.name);
      for (const host of pool.hosts) {
        const machine = machineKey(pool.provider.name, host.name);
        const placed = { pool, host };
        this.#hosts.set(machine, [...(this.#hosts.get(machine) ?? []), placed]);
        this.#machineOf.set(hostKey(placed), machine);
      }
    }
    this.touchAll();
  }

  touchAll(): void {
    for (const machine of [...this.#hosts.keys(), ...this.#nodes.keys()]) this.#touched.add(machine);
  }

  /** Says that what is in hand of a host has changed, by its {@link hostKey}. */
  touch(key: string): void {
    const machine = this.#machineOf.get(key);
    if (machine !== undefined) this.#touched.add(machine);
  }

  touchMachine(machine: string): void {
    this.#touched.add(machine);
  }

  /** Takes a node as it is now. */
  update(id: string): void {
    const record = this.#tree.node(id)?.record ?? null;
    const before = this.#machineOfNode.get(id);
    const isOurs = record !== null && this.#providers.has(record.provider ?? "");
    const machine = isOurs ? machineKey(record.provider ?? "", record.hostname ?? "") : undefined;
    if (before !== undefined && before !== machine) {
      this.#nodes.get(before)?.delete(id);
      this.#machineOfNode.delete(id);
    }
    if (machine !== undefined) {
      this.#nodes.set(machine, (this.#nodes.get(machine) ?? new Set()).add(id));
      this.#machineOfNode.set(id, machine);
    }
    for (const changed of [before, machine]) {
      if (changed === undefined) continue;
      this.#assignments.delete(changed);
      this.#touched.add(changed);
    }
  }

  /** The machines to decide about. */
  takeTouched(): Set<string> {
    const touched = this.#touched;
    this.#touched = new Set();
    for (const machine of touched) if (this.#leftOut.delete(machine)) this.#assignments.delete(machine);
    return touched;
  }

  /** Takes a machine out, as if it had no slots, until it is touched. */
  leaveOut(machine: string): void {
    this.#leftOut.add(machine);
    this.#assignments.set(machine, EMPTY);
  }

  machineOf(key: string): string | undefined {
    return this.#machineOf.get(key);
  }

  /** The records of a machine, each at its slot. */
  assignment(machine: string): Assignment {
    const known = this.#assignments.get(machine);
    if (known !== undefined) return known;
    const hosts = this.#hosts.get(machine);
    const nodes = [...(this.#nodes.get(machine) ?? [])].map((id) => this.#tree.node(id)).filter(isReadable);
    if (hosts === undefined && nodes.length === 0) {
      this.#nodes.delete(machine);
      return EMPTY;
    }
    const made = assignSlots(hosts ?? [], nodes);
    this.#assignments.set(machine, made);
    return made;
  }

  /** The slot that a node stands for. */
  slotOf(node: string): Slot | undefined {
    const machine = this.#machineOfNode.get(node);
    if (machine === undefined) return undefined;
    return this.assignment(machine).slots.find((slot) => slot.node?.id === node);
  }

  /** All slots of a host. */
  slotsOf(placed: PlacedHost): readonly Slot[] {
    const machine = this.#machineOf.get(hostKey(placed));
    if (machine === undefined) return [];
    return this.assignment(machine).slots.filter(({ host }) => host.identity === placed.host.identity);
  }
}
