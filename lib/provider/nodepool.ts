// What a driver gets whose machines come from Nodepool's own records, and how it claims them.
import type { Operation, Session } from "../zookeeper/types.ts";
import type { View } from "../zookeeper/view.ts";

/** What is written into the node together with its instance's id, in one transaction: all or nothing. */
export interface Claim {
  readonly driverData: Readonly<Record<string, unknown>>;
  readonly slot: number;
  /** Further steps of the transaction. */
  readonly operations: readonly Operation[];
}

/**
 * Hears an instance's id as soon as it is known, and has it written down while the driver goes on. A driver whose
 * instances are claimed in ZooKeeper gives the claim with it: it hears when that is written, and when it is refused
 * because somebody was faster, it may choose and call again.
 */
export type NoteInstance = (externalId: string, claim?: Claim) => Promise<void>;

/** The steps of drivers that work on Nodepool's own records, by name: each is one transaction. */
export const BACKING_STEPS = [
  "backing.ask",
  "backing.withdraw",
  "backing.take",
  "backing.fail",
  "backing.retire",
] as const;

/** Nodepool itself, for drivers that take their machines from it. */
export interface Nodepool {
  readonly session: Session;
  readonly view: View;
  readonly newUuid: () => string;
  /** Runs one step of the driver's work. */
  readonly step: <T>(name: (typeof BACKING_STEPS)[number], run: () => Promise<T>) => Promise<T>;
}
