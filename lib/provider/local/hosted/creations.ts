// The creations that are under way. Calls of one launch share a creation while it goes well; how one of them ends it is no
// business of the others: its caller may have given it up, as a launcher does whose session has ended, and the next one asks
// for the same instance while what was begun is still being taken away.
import { abortable } from "../../../std/abortable.ts";
import { type Instance, type InstanceSpec, METADATA, type Metadata } from "../../contract.ts";

/** A creation that was begun and has not come to its end. */
export interface Creation {
  readonly spec: InstanceSpec;
  /** Ends it for all that wait for it. */
  readonly abort: AbortController;
  readonly done: Promise<Instance>;
}

/** At most one creation for each instance's name. */
export class Creations {
  readonly #underWay = new Map<string, Creation>();

  /** The creation of this name; undefined when there is none. */
  get(name: string): Creation | undefined {
    return this.#underWay.get(name);
  }

  /** Begins one where there is none, and gives its outcome. @param create gets the signal that ends it */
  begin(
    spec: InstanceSpec,
    signal: AbortSignal,
    create: (signal: AbortSignal) => Promise<Instance>,
  ): Promise<Instance> {
    const abort = new AbortController();
    const done = create(AbortSignal.any([signal, abort.signal])).finally(() =>
      this.#underWay.delete(spec.name),
    );
    this.#underWay.set(spec.name, { spec, abort, done });
    return done;
  }

  /**
   * Waits for a creation that another call has begun, and gives the instance; null when there is none of this launch, and
   * the caller may begin its own.
   * @throws the signal's reason, and why all of them were ended
   */
  async join(underWay: Creation, spec: InstanceSpec, signal: AbortSignal): Promise<Instance | null> {
    try {
      const instance = await abortable(underWay.done, signal);
      return isSameLaunch(underWay.spec, spec) ? instance : null;
    } catch {
      signal.throwIfAborted();
      underWay.abort.signal.throwIfAborted();
      return null;
    }
  }

  /** Ends the creation of this name for all that wait for it, and waits until what it has made is taken away. */
  async end(name: string, reason: Error): Promise<void> {
    const creation = this.#underWay.get(name);
    creation?.abort.abort(reason);
    await creation?.done.catch(() => {});
  }

  /** The same for every creation. */
  async endAll(reason: Error): Promise<void> {
    await Promise.all([...this.#underWay.keys()].map((name) => this.end(name, reason)));
  }
}

/** Whether both are of one launch of one node. */
export function isSameLaunch(
  one: { readonly metadata: Metadata },
  other: { readonly metadata: Metadata },
): boolean {
  return one.metadata[METADATA.launchToken] === other.metadata[METADATA.launchToken];
}
