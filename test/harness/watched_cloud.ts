// A fake cloud that knows which of its instances somebody works on or keeps, and tells of each that is deleted all the
// same.
import type { Instance } from "../../lib/provider/contract.ts";
import type { InstanceWish } from "../../lib/provider/fake/api.ts";
import { FakeCloud } from "../../lib/provider/fake/cloud.ts";

export class WatchedCloud extends FakeCloud {
  /** The ids of instances that somebody works on. */
  readonly inUse = new Set<string>();
  /** The ids of instances that an operator keeps. */
  readonly kept = new Set<string>();
  /** The ids of instances that an operator has given up: they may go whoever works on them. */
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

  /** Somebody begins to work on an instance. */
  use(externalId: string): void {
    if (this.doomed.has(externalId)) return;
    if (this.inUse.has(externalId)) this.#wrong(`${externalId} was given out twice`);
    if (!this.instances.has(externalId)) this.#wrong(`${externalId} was given out and is not there`);
    this.inUse.add(externalId);
  }

  /** An operator gives an instance up. */
  doom(externalId: string): void {
    this.doomed.add(externalId);
    this.inUse.delete(externalId);
    this.kept.delete(externalId);
  }

  override createInstance(wish: InstanceWish, signal: AbortSignal): Promise<Instance> {
    this.changes += 1;
    return super.createInstance(wish, signal);
  }

  override deleteInstance(id: string, signal: AbortSignal): Promise<void> {
    this.changes += 1;
    const why = this.inUse.has(id) ? "it was in use" : this.kept.has(id) ? "an operator kept it" : null;
    if (why !== null) this.#wrong(`${id} (${this.instances.get(id)?.name}) was deleted while ${why}`);
    return super.deleteInstance(id, signal);
  }
}
