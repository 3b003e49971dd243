/** A time as people read it, in UTC to the second. Never fails, for it may come from a document. @param time seconds since the epoch */
export function formatTime(time: number): string {
  const date = new Date(Math.round(time) * 1000);
  const isDate = !Number.isNaN(date.valueOf());
  return isDate ? date.toISOString().replace(".000Z", "Z") : `${time} s after 1970`;
}
