// A fake cloud that knows which of its instances somebody works on, and tells of each that is deleted all the same.
import { FakeCloud } from "../../lib/provider/fake/cloud.ts";

export class WatchedCloud extends FakeCloud {
  /** The ids of instances that somebody works on. */
  readonly inUse = new Set<string>();
  /** What was deleted or given out twice while somebody worked on it. */
  readonly wrongs: string[] = [];

  /** Somebody begins to work on an instance. */
  use(externalId: string): void {
    if (this.inUse.has(externalId)) this.wrongs.push(`${externalId} was given out twice`);
    if (!this.instances.has(externalId)) this.wrongs.push(`${externalId} was given out and is not there`);
    this.inUse.add(externalId);
  }

  override deleteInstance(id: string, signal: AbortSignal): Promise<void> {
    if (this.inUse.has(id)) {
      this.wrongs.push(`${id} (${this.instances.get(id)?.name}) was deleted while it was in use`);
    }
    return super.deleteInstance(id, signal);
  }
}
