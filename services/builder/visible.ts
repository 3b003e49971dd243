import { onAbort } from "../../lib/std/on_abort.ts";
import type { View } from "../../lib/zookeeper/view.ts";

/** Resolves when the view shows all that was written, or can show nothing any more, or the signal is aborted. */
export function visible(view: View, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const stop = onAbort(signal, resolve);
    const end = () => {
      stop();
      resolve();
    };
    view.settled().then(end, end);
  });
}
