// Says that ZooKeeper is waited for, again and again for as long as it is.
import type { Clock } from "../std/clock.ts";
import type { Logger } from "../std/logger.ts";
import type { Session } from "../zookeeper/types.ts";

/** How long it may take before anything is said, in milliseconds. */
const PATIENCE_MS = 2000;
const REPORT_INTERVAL_MS = 15_000;

/** Where reports go. */
export interface AbsenceReport {
  readonly logger: Logger;
  readonly clock: Clock;
  /** The servers that are tried at present. */
  readonly servers: () => string;
}

/** Says so from now on, until the returned function is called. */
export function reportAbsence({ logger, clock, servers }: AbsenceReport): () => void {
  const report = () => {
    logger.warn("waiting for ZooKeeper: is it running, and may we reach it?", { servers: servers() });
    cancel = clock.after(REPORT_INTERVAL_MS, report);
  };
  let cancel = clock.after(PATIENCE_MS, report);
  return () => cancel();
}

/** Says so whenever a session that was connected before has no connection. The returned function ends it. */
export function followAbsence(
  session: Pick<Session, "state" | "onState">,
  report: AbsenceReport,
): () => void {
  let cancel: (() => void) | null = null;
  const look = () => {
    if (session.state !== "connected" && session.state !== "closed") {
      cancel ??= reportAbsence(report);
      return;
    }
    cancel?.();
    cancel = null;
  };
  const stop = session.onState(look);
  look();
  return () => {
    stop();
    cancel?.();
  };
}
