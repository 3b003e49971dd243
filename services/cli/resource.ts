// Resource names as people write them, and back.
import { LONGEST_SECONDS } from "../../lib/rpc/duration.ts";
import { UsageError } from "./host.ts";

/** The last part of a resource name: 0000000012 of nodes/0000000012. */
export function shortName(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

/** nodes/0000000012 of 12, 0000000012 or nodes/0000000012. */
export function nodeName(text: string): string {
  const id = text.replace(/^nodes\//, "");
  return `nodes/${/^\d+$/.test(id) ? id.padStart(10, "0") : id}`;
}

/** nodeRequests/200-0000000012 of its id or name. */
export function requestName(text: string): string {
  return `nodeRequests/${text.replace(/^nodeRequests\//, "")}`;
}

/** labels/debian of its short or full name. */
export function labelName(text: string): string {
  return `labels/${text.replace(/^labels\//, "")}`;
}

/** images/debian-12 of its short or full name. */
export function imageName(text: string): string {
  return `images/${text.replace(/^images\//, "")}`;
}

/** providers/rax of its short or full name; empty for none. */
export function providerName(text = ""): string {
  return text === "" ? "" : `providers/${text.replace(/^providers\//, "")}`;
}

/** The parts of images/{image}/builds/{build}[/providers/{provider}/uploads/{upload}]. */
export function imageParts(name: string): { image: string; build: string; provider: string; upload: string } {
  const [, image = "", , build = "", , provider = "", , upload = ""] = name.split("/");
  return { image, build, provider, upload };
}

/** images/debian/builds/abc of debian-abc, as `dib-image-list` shows it. @throws {UsageError} */
export function buildName(text: string): string {
  if (/^images\/[^/]+\/builds\/[^/]+$/.test(text)) return text;
  const dash = text.lastIndexOf("-");
  if (dash <= 0 || dash === text.length - 1) {
    throw new UsageError(`'${text}' is no build: expected IMAGE-BUILD as dib-image-list shows it`);
  }
  return `images/${text.slice(0, dash)}/builds/${text.slice(dash + 1)}`;
}

const UNITS: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of 90, 90s, 10m, 2h or 1d. @throws {UsageError} */
export function seconds(option: string, text: string): number {
  const [, number, unit] = /^(\d{1,9})([smhd]?)$/.exec(text) ?? [];
  const factor = UNITS[unit ?? ""];
  if (number === undefined || factor === undefined || Number(number) === 0) {
    throw new UsageError(`${option} ${text}: expected a time as 90, 90s, 10m, 2h or 1d`);
  }
  return Number(number) * factor;
}

/**
 * The seconds of an option that may be missing. @throws {UsageError} also when they are more than any launcher grants: it
 * would be asked after the rest of the command was done
 */
export function grantedSeconds(option: string, text: unknown): number | undefined {
  if (typeof text !== "string") return undefined;
  const granted = seconds(option, text);
  if (granted <= LONGEST_SECONDS) return granted;
  throw new UsageError(`${option} ${text}: expected at most ${LONGEST_SECONDS / 86_400}d`);
}
