// Health that means it: serving while ZooKeeper is there and what we show is current.
import type { Clock } from "../std/clock.ts";
import type { Session } from "../zookeeper/types.ts";
import type { View } from "../zookeeper/view.ts";

/** What readiness depends on, and who hears of it. */
export interface ReadinessOptions {
  readonly session: Pick<Session, "state" | "onState">;
  readonly view: Pick<View, "current" | "onCurrent">;
  readonly clock: Clock;
  readonly setServing: (serving: boolean) => void;
  /** How long a disturbance must last before it counts, in milliseconds. @default 5000 */
  readonly patienceMs?: number;
}

/** Tells `setServing` now and at each change; the returned function ends it. */
export function followReadiness(options: ReadinessOptions): () => void {
  const { session, view, clock, setServing } = options;
  let cancel: (() => void) | null = null;
  const isReady = () => session.state === "connected" && view.current;
  const look = () => {
    if (isReady()) {
      cancel?.();
      cancel = null;
      setServing(true);
    } else {
      cancel ??= clock.after(options.patienceMs ?? 5000, () => {
        if (!isReady()) setServing(false);
      });
    }
  };
  const stops = [session.onState(look), view.onCurrent(look)];
  look();
  return () => {
    for (const stop of stops) stop();
    cancel?.();
  };
}
