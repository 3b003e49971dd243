// What must not be in a launcher's log, whatever happens to it.

/** A launcher that logs more, for so many seconds at least, begins something again and again. */
const [LINES_PER_SECOND, LEAST_SECONDS] = [60, 5];
/** Lines of a launcher's log that are defects by themselves. */
const DEFECT =
  /"level":"error".*"msg":"(task failed|action failed|call failed|a [a-z ]*listener[a-z ]* failed)".*/g;
/** With these a launcher says that ZooKeeper was away. */
const AWAY = /CONNECTION_LOSS|SESSION_EXPIRED|OPERATION_TIMEOUT|SESSION_MOVED|CLOSED/;

/** What is wrong with the log of a launcher that has lived for so long, as words that follow its name. */
export function wrongsIn(log: string, seconds: number): string[] {
  const rate = Math.round(log.split("\n").length / Math.max(LEAST_SECONDS, seconds));
  const defects = Array.from(log.matchAll(DEFECT), ([line]) => line).filter((line) => !AWAY.test(line));
  return [
    ...defects.map((line) => `logged ${line}`),
    ...(rate > LINES_PER_SECOND ? [`logged ${rate} lines a second`] : []),
  ];
}
