// Begins what was decided upon.
import { isConflict } from "../../lib/zookeeper/types.ts";
import { tellFailure } from "./action_failure.ts";
import { keysOf } from "./action_keys.ts";
import type { Action } from "./actions.ts";
import type { Environment } from "./environment.ts";
import { perform } from "./perform.ts";
import { closeClaim, openClaim } from "./request/claims.ts";

/** Begins an action, unless something is being done about what it works on. Its end asks for a new decision. */
export function begin(environment: Environment, action: Action): void {
  const { context, hand, tasks } = environment;
  const touched = keysOf(action);
  if (touched.some((key) => hand.isBusy(key))) return;
  hand.begin(touched);
  try {
    openClaim(environment, action);
  } catch (error) {
    tellFailure(environment, action, error);
    hand.fail(touched);
    environment.kick();
    return;
  }
  tasks.start(`${action.kind} ${touched.join(" ")}`, async () => {
    try {
      await perform(environment, action);
      await context.view.settled();
      closeClaim(environment, action, true);
      hand.succeed(touched);
    } catch (error) {
      tellFailure(environment, action, error);
      await context.view.settled().catch(() => undefined);
      closeClaim(environment, action, false);
      hand.fail(touched, isConflict(error));
    }
    environment.kick();
  });
}
