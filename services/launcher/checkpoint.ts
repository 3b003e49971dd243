// The steps of the launcher's work, by name: between any two of them a process may end, and the next one must be able
// to go on. Tests are told when each is reached; nothing else listens.
import { BACKING_STEPS } from "../../lib/provider/nodepool.ts";

/** What is written or called, in the order of a node's life. */
export const STEPS = [
  "request.create",
  "request.claim",
  "request.assign",
  "request.supplement",
  "request.adopt",
  "node.intend",
  "node.create",
  "node.note",
  "node.scan",
  "node.store",
  "request.fulfil",
  "request.decline",
  "request.give_up",
  "request.reset",
  "request.drop",
  "request.release",
  "node.abandon",
  "node.free",
  "node.hold",
  "node.release",
  "node.return",
  "node.delete",
  "node.remove",
  "node.forget",
  "node.force",
  "node.sweep",
  "host.check",
  "host.register",
  "host.update",
  "min_ready.ask",
  "min_ready.settle",
  ...BACKING_STEPS,
] as const;

export type Step = (typeof STEPS)[number];

/** Before it is begun; when it is on its way and not answered; when the answer is there. */
export const MOMENTS = ["before", "sent", "after"] as const;

export type Checkpoint = `${Step}:${(typeof MOMENTS)[number]}`;

/** Every checkpoint that there is. */
export const CHECKPOINTS: readonly Checkpoint[] = STEPS.flatMap((step) =>
  MOMENTS.map((moment): Checkpoint => `${step}:${moment}`),
);

/** Hears when a checkpoint is reached. */
export type ReachCheckpoint = (checkpoint: Checkpoint) => void;

/** Runs one step. */
export async function throughCheckpoints<T>(
  reach: ReachCheckpoint,
  step: Step,
  run: () => Promise<T>,
): Promise<T> {
  reach(`${step}:before`);
  const answer = run();
  reach(`${step}:sent`);
  const result = await answer;
  reach(`${step}:after`);
  return result;
}
