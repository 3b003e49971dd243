// How a launcher comes to its end in a crash world: it says so itself, at the place that it was given.
import assert from "node:assert/strict";
import type { Ending } from "./launcher_crash_victim.ts";
import type { Program } from "./program.ts";

/**
 * Waits until a launcher has killed itself at its place, or has stopped there.
 *
 * @throws {Error} when it ends before that, otherwise than by a signal, or not in time (milliseconds)
 */
export async function untilAtPlace(
  victim: Program,
  place: string,
  ending: Ending,
  patience: number,
): Promise<void> {
  if (ending === "SIGSTOP") {
    await victim.waitFor(new RegExp(`^stopped at ${place}$`, "m"), patience);
    return;
  }
  const code = await victim.ended(patience);
  const output = victim.output();
  assert.ok(
    output.includes(`dying at ${place}\n`),
    `the launcher ended (${code}) elsewhere than at ${place}:\n${output}`,
  );
  assert.equal(code, null, `the launcher was not killed at ${place}:\n${output}`);
}

/** What is done while a launcher comes to its end and another one goes on: it fails at once when they fail. */
export async function duringSuccession<T>(succession: Promise<unknown>, life: Promise<T>): Promise<T> {
  return await Promise.race([life, succession.then(() => life)]);
}
