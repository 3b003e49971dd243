// A fake cloud that takes as long for a kind of call as a test wants.

import type { Instance } from "../../lib/provider/contract.ts";
import type { InstanceWish } from "../../lib/provider/fake/api.ts";
import { FakeCloud } from "../../lib/provider/fake/cloud.ts";
import { abortable } from "../../lib/std/abortable.ts";

/** The calls that can be slow. */
export type SlowCall = "createInstance" | "awaitInstance" | "deleteInstance";

export class SlowCloud extends FakeCloud {
  readonly #gates = new Map<SlowCall, Promise<void>>();
  #waiting = 0;

  /** How many calls wait; those whose callers are gone do not. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Has calls of this kind wait before anything is done; the function that is returned lets them go on. */
  delay(call: SlowCall): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gates.set(call, promise);
    return () => {
      this.#gates.delete(call);
      resolve();
    };
  }

  async #pass(call: SlowCall, signal: AbortSignal): Promise<void> {
    const gate = this.#gates.get(call);
    if (gate === undefined) return;
    this.#waiting += 1;
    try {
      await abortable(gate, signal);
    } finally {
      this.#waiting -= 1;
    }
  }

  override async createInstance(wish: InstanceWish, signal: AbortSignal): Promise<Instance> {
    await this.#pass("createInstance", signal);
    return await super.createInstance(wish, signal);
  }

  override async awaitInstance(id: string, signal: AbortSignal): Promise<Instance | null> {
    await this.#pass("awaitInstance", signal);
    return await super.awaitInstance(id, signal);
  }

  override async deleteInstance(id: string, signal: AbortSignal): Promise<void> {
    await this.#pass("deleteInstance", signal);
    await super.deleteInstance(id, signal);
  }
}
