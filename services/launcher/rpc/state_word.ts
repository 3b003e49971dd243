import { invalidArgument } from "../../../lib/rpc/errors.ts";

/** The state that is meant by a word of a filter: READY, STATE_READY or ready. @throws INVALID_ARGUMENT */
export function stateOfWord<State extends string>(word: string, states: readonly State[]): State {
  const meant = plain(word);
  const state = states.find((candidate) => plain(candidate) === meant);
  if (state !== undefined) return state;
  throw invalidArgument("filter", `there is no state '${word}': expected ${states.join(", ")}`);
}

function plain(text: string): string {
  return text
    .toUpperCase()
    .replaceAll("-", "_")
    .replace(/^STATE_/, "");
}
