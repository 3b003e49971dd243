// `launch-timeout` is for what a launch does, not for what it waits for while the provider refuses calls for being too many.
import type { Clock } from "../std/clock.ts";
import type { Provider } from "./contract.ts";

/**
 * A clock's timers, later by as long as calls at this provider were held up meanwhile, but by no more than the time that
 * was set: a launch at a provider that refuses every call for hours is to fail, so that others can be tried.
 */
export function launchTimer(
  clock: Pick<Clock, "after">,
  provider: Pick<Provider, "heldUpMs"> | undefined,
): Pick<Clock, "after"> {
  const heldUpMs = () => provider?.heldUpMs?.() ?? 0;
  const after = (milliseconds: number, callback: () => void) => {
    const before = heldUpMs();
    let added = 0;
    const look = () => {
      const due = Math.min(milliseconds, heldUpMs() - before);
      const left = due - added;
      added = due;
      if (left < 1) callback();
      else cancel = clock.after(left, look);
    };
    let cancel = clock.after(milliseconds, look);
    return () => cancel();
  };
  return { after };
}
