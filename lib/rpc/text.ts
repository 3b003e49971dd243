import { invalidArgument } from "./errors.ts";

/**
 * Characters of a text that a caller gives to be kept. It stands in a znode, of which ZooKeeper takes 1 MiB, and in every
 * list of what it belongs to.
 */
const LONGEST = 4096;

/** The text, when it is not too long to be kept. @param field the request's field, for the error @throws INVALID_ARGUMENT */
export function keptText(field: string, text: string): string {
  if (text.length <= LONGEST) return text;
  throw invalidArgument(field, `has ${text.length} characters: expected at most ${LONGEST}`);
}
