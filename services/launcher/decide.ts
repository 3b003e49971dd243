// The launcher's decision: from what is to what to do. Deterministic, without side effects, and for everything that
// it does not do it says why.
import { type Decision, Draft, type World } from "./actions.ts";
import { decideNodes } from "./node/decide.ts";
import { Census } from "./pool/census.ts";
import { decideMinReady } from "./pool/min_ready.ts";
import { decideRequests } from "./request/decide.ts";

/** Decides about everything. Requests come first, so that min-ready replaces at once what they take. */
export function decide(world: World): Decision {
  const draft = new Draft();
  const census = new Census(world.tree, world.hand, world.pools);
  decideRequests(world, census, draft);
  decideNodes(world, census, draft);
  decideMinReady(world, census, draft);
  if (world.hand.nextRetry !== null) draft.wake(world.hand.nextRetry);
  return draft;
}
