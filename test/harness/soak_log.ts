// What must not be in a daemon's log, whatever happens to it.

/** A daemon that logs more, for so many seconds at least, begins something again and again. */
const [LINES_PER_SECOND, LEAST_SECONDS] = [60, 5];
/** Lines of a daemon's log that are defects by themselves. */
const DEFECT =
  /"level":"error".*"msg":"(task failed|action failed|call failed|deciding failed|uncaught error|unhandled rejection|the service did not stop in order|the changed configuration is not in force.*|a [a-z ]*listener[a-z ]* failed)".*/g;
/** With these a daemon says that ZooKeeper was away. */
const AWAY = /CONNECTION_LOSS|SESSION_EXPIRED|OPERATION_TIMEOUT|SESSION_MOVED|CLOSED/;

/** What is wrong with the log of a daemon that has lived for so long, as words that follow its name. */
export function wrongsIn(log: string, seconds: number): string[] {
  const rate = Math.round(log.split("\n").length / Math.max(LEAST_SECONDS, seconds));
  const defects = Array.from(log.matchAll(DEFECT), ([line]) => line).filter((line) => !AWAY.test(line));
  return [
    ...defects.map((line) => `logged ${line}`),
    ...(rate > LINES_PER_SECOND ? [`logged ${rate} lines a second`] : []),
  ];
}
