// Which effect carries out which action.
import type { Action } from "./actions.ts";
import type { Environment } from "./environment.ts";
import { checkHost } from "./host/check.ts";
import { registerSlots, updateSlot } from "./host/record_slots.ts";
import { beginDelete } from "./node/delete.ts";
import { beginLaunch } from "./node/launch.ts";
import { abandonLaunch, holdReturned, storeLaunch } from "./node/store.ts";
import { adopt, serve, supplement } from "./request/claim.ts";
import { decline, drop, freeNode, fulfil, giveUp, reset } from "./request/fulfil.ts";
import { endLease, returnOrphan } from "./request/lease.ts";
import { askMinReady, settleMinReady } from "./request/min_ready.ts";

/**
 * Carries an action out.
 *
 * @throws {ZooKeeperError} with one of the codes of a conflict when somebody else was faster: nothing was changed then. With
 * another code ZooKeeper refuses the action or is away; anything else is a provider's failure or a defect
 */
export function perform(environment: Environment, action: Action): Promise<void> {
  switch (action.kind) {
    case "serve":
      return serve(environment, action);
    case "supplement":
      return supplement(environment, action);
    case "fulfil":
      return fulfil(environment, action);
    case "decline":
      return decline(environment, action);
    case "give-up":
      return giveUp(environment, action);
    case "adopt":
      return adopt(environment, action);
    case "reset":
      return reset(environment, action);
    case "drop":
      return drop(environment, action);
    case "end-lease":
      return endLease(environment, action.request);
    case "settle-min-ready":
      return settleMinReady(environment, action);
    case "ask-min-ready":
      return askMinReady(environment, action);
    case "launch":
      return beginLaunch(environment, action);
    case "store":
      return storeLaunch(environment, action);
    case "abandon":
      return abandonLaunch(environment, action);
    case "delete":
      return beginDelete(environment, action);
    case "free":
      return freeNode(environment, action);
    case "hold":
      return holdReturned(environment, action);
    case "return":
      return returnOrphan(environment, action.node);
    case "check-host":
      return checkHost(environment, action);
    case "register-slots":
      return registerSlots(environment, action);
    case "update-slot":
      return updateSlot(environment, action);
  }
}
