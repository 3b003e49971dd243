// What a build is doing, read from the output of its command.
import { Buffer } from "node:buffer";

/** diskimage-builder's phases in the order in which they run, as people call them. */
const PHASES: readonly (readonly [RegExp, string])[] = [
  [/\/root\.d(\/|$)/, "making the root filesystem"],
  [/\/extra-data\.d(\/|$)/, "collecting data"],
  [/\/pre-install\.d(\/|$)/, "preparing the installation"],
  [/\/install\.d(\/|$)/, "installing"],
  [/\/post-install\.d(\/|$)/, "configuring"],
  [/\/post-root\.d(\/|$)/, "finishing the root filesystem"],
  [/\/block-device\.d(\/|$)/, "making the block device"],
  [/\/pre-finalise\.d(\/|$)/, "copying into the image"],
  [/\/finalise\.d(\/|$)/, "finishing the image"],
  [/\/cleanup\.d(\/|$)/, "cleaning up"],
];

const HOOK = /\bRunning (?:hooks from )?(\/\S+)/;
const CONVERT = /\bqemu-img convert\b|\bConverting image\b/;
const ANNOUNCED = /^nodepool-phase: (.{1,100})$/;

/**
 * The phase that a piece of output begins, or null when it begins none. A command of another kind may announce its own
 * with a line `nodepool-phase: TEXT`.
 */
export function phaseOf(text: string): string | null {
  let phase: string | null = null;
  for (const line of text.split("\n")) phase = phaseOfLine(line) ?? phase;
  return phase;
}

function phaseOfLine(line: string): string | null {
  const announced = ANNOUNCED.exec(line)?.[1];
  // A copy: what is cut out of a text keeps the whole, and phases are kept for long.
  if (announced !== undefined) return Buffer.from(announced).toString();
  const hook = HOOK.exec(line)?.[1];
  if (hook !== undefined) return PHASES.find(([folder]) => folder.test(hook))?.[1] ?? null;
  return CONVERT.test(line) ? "converting the image" : null;
}
