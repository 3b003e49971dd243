import type { View } from "../../lib/zookeeper/view.ts";

/** Resolves when the view shows all that was written, or can show nothing any more, or the signal is aborted. */
export function visible(view: View, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      signal.removeEventListener("abort", end);
      resolve();
    };
    signal.addEventListener("abort", end);
    view.settled().then(end, end);
    if (signal.aborted) end();
  });
}
