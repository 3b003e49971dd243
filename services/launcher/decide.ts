// The launcher's decision: from what is to what to do. Deterministic, and for everything that it does not do it says
// why. It looks at what an event has touched; after WorldIndex.touchAll it looks at everything. What throws for one thing
// stops no other: see undecided.ts.
import { type Decision, Draft, keys, type World } from "./actions.ts";
import { decideHosts } from "./host/decide.ts";
import { decideNodes } from "./node/decide.ts";
import { endOfWait } from "./pool/away.ts";
import { Census } from "./pool/census.ts";
import { decideMinReady } from "./pool/min_ready.ts";
import { withdrawSurplus } from "./pool/surplus.ts";
import { decideRequests } from "./request/decide.ts";
import { whyUndecided } from "./undecided.ts";

/** Decides about what is touched. Requests come first, so that min-ready replaces at once what they take. */
export function decide(world: World): Decision {
  const { index, hand, now } = world;
  const touched = index.prepare(now);
  const draft = new Draft();
  for (const [key, error] of touched.failures) draft.undecided.set(key, error);
  const census = new Census(index);
  decideRequests(world, census, draft, touched);
  decideNodes(world, draft, touched);
  decideHosts(world, draft, touched.machines);
  withdrawSurplus(world, draft);
  decideMinReady(world, census, draft);
  for (const [key, error] of draft.undecided) {
    const label = nameIn(key, keys.label(""));
    if (label !== null) draft.labelReasons.set(label, whyUndecided(error));
  }
  draft.looked = new Set([...touched.requests, ...draft.fed, ...undecidedRequests(draft)]);
  index.absorb(draft, now);
  draft.wake(index.nextDue ?? Infinity);
  for (const end of Array.from(hand.away, endOfWait)) if (end > now) draft.wake(end);
  return draft;
}

function undecidedRequests({ undecided }: Draft): string[] {
  return [...undecided.keys()].flatMap((key) => nameIn(key, keys.request("")) ?? []);
}

const nameIn = (key: string, kind: string) => (key.startsWith(kind) ? key.slice(kind.length) : null);

/** Why a request waits, in a sentence; undefined when it does not wait, or nothing has been decided about it yet. */
export function reasonOf(
  world: Pick<World, "index">,
  decision: Decision,
  request: string,
): string | undefined {
  const kind = world.index.kindOf(request);
  const outcome = kind === null ? undefined : decision.outcomes.get(kind.key);
  return outcome?.reason ?? world.index.reasonOf(request);
}
