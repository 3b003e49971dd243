// What cannot be decided about, because deciding about it throws, stops nothing else: it is set aside with the reason
// until it changes, or for a while. Such a thing is a defect of ours, or of a driver.
import { messageOf } from "../../lib/std/errors.ts";
import type { Draft } from "./actions.ts";

/** After so many seconds it is tried again, though nothing has changed. */
export const AGAIN_SECONDS = 60;

/** After a pass that has failed as a whole, all is decided about anew at the next event, or in so many seconds. */
export const PASS_AGAIN_SECONDS = 10;

/** A thing that was set aside. */
export interface Undecided {
  /** As people are told. */
  readonly reason: string;
  /** Until when, in seconds. */
  readonly until: number;
}

/** What was thrown, by the key of what could not be decided about. */
export type Failures = Map<string, unknown>;

export function whyUndecided(error: unknown): string {
  return `it cannot be decided because of an error: ${messageOf(error)}`;
}

/** Does something about one thing, and keeps what it throws. False when it has thrown. */
export function attempt(failures: Failures, key: string, work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    failures.set(key, error);
    return false;
  }
}

/** Decides about one thing; where that throws, nothing is done about it. False when it has thrown. */
export function decideOne(draft: Draft, key: string, decide: () => void): boolean {
  const before = draft.actions.length;
  const isDecided = attempt(draft.undecided, key, decide);
  if (!isDecided) draft.actions.length = before;
  return isDecided;
}
