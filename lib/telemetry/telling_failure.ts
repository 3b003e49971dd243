import { messageOf } from "../std/errors.ts";

type Export<Items> = (items: Items, done: (result: { code: number; error?: Error }) => void) => void;

/** The exporter's `export`, which says that nothing arrives, once until something does: OpenTelemetry itself keeps silent. */
export function tellingFailure<Items>(
  what: string,
  send: Export<Items>,
  write: (line: string) => void,
): Export<Items> {
  let isFailing = false;
  return (items, done) =>
    send(items, (result) => {
      const { error } = result;
      if (error !== undefined && !isFailing) write(`${what} are not sent: ${messageOf(error)}\n`);
      isFailing = error !== undefined;
      done(result);
    });
}
