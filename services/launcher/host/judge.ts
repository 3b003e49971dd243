// Whether a host can be used: from its last check here, the keys that its records know, and what they remember. Pure.
import { isDeepStrictEqual } from "node:util";
import type { Host } from "../../../lib/provider/contract.ts";
import { formatTime } from "../../../lib/std/format_time.ts";
import { fingerprint } from "../../../lib/std/host_key.ts";
import type { HostReport, HostStatus } from "../actions.ts";
import type { ReadableNode } from "../pool/node_share.ts";
import { type Memory, memoryOf, quarantineOf } from "./memory.ts";

/** A failed check counts for so many seconds. */
const BAD_SECONDS = 120;

/** One that has ended at most so many seconds ago counts whatever records say: the clocks of launchers differ. */
const LATEST_SECONDS = 2;

export type Judgement =
  /** It has not been checked here as it is configured now. */
  | { readonly kind: "unknown" }
  | {
      readonly kind: "good";
      readonly hostKeys: readonly string[];
      readonly ipv4: string | null;
      readonly ipv6: string | null;
      /** When (seconds) the check began and ended. */
      readonly from: number;
      readonly at: number;
      /** Whether the check ends a quarantine. */
      readonly ends: boolean;
    }
  | { readonly kind: "bad"; readonly reason: string };

/**
 * Judges a host by a check of it as it is configured now. `more`: what a record that is not written yet will remember.
 */
export function judge(
  host: Host,
  nodes: readonly ReadableNode[],
  status: HostStatus | undefined,
  now: number,
  more: readonly Memory[] = [],
): Judgement {
  if (host.problem !== null) return { kind: "bad", reason: host.problem };
  const last = status !== undefined && isDeepStrictEqual(status.host, host) ? status.last : null;
  // After the clock was set back, a check that is later than now would count until that time comes again.
  if (last === null || last.at > now) return { kind: "unknown" };
  const judgement = judgeReport(host, nodes, last, now, more);
  const age = now - last.at;
  // Another launcher may have brought it back since.
  const isBack =
    age > LATEST_SECONDS &&
    nodes.some(({ record }) => record.state === "ready" && record.stateTime > last.at);
  const isOld = isBack || age > BAD_SECONDS;
  return judgement.kind === "bad" && isOld ? { kind: "unknown" } : judgement;
}

function judgeReport(
  host: Host,
  nodes: readonly ReadableNode[],
  last: HostReport,
  now: number,
  more: readonly Memory[],
): Judgement {
  if (last.found === null) return { kind: "bad", reason: last.problem };
  const found = last.found.hostKeys;
  const known = host.hostKeys.length > 0 ? [] : knownKeys(host, nodes);
  const changed = changedKey(known, found);
  if (changed !== null) return { kind: "bad", reason: changed };
  const memories = [...nodes.map(({ record }) => memoryOf(record)), ...more];
  const quarantine = quarantineOf(memories, now);
  if (quarantine !== null && last.from < quarantine.until) {
    const until = formatTime(quarantine.until);
    return { kind: "bad", reason: `${quarantine.reason}; it is checked again at ${until}` };
  }
  const confirmed = found.filter((line) => known.includes(line));
  return {
    kind: "good",
    hostKeys: known.length === 0 ? found : confirmed,
    ipv4: last.found.ipv4,
    ipv6: last.found.ipv6,
    from: last.from,
    at: last.at,
    ends: quarantine !== null,
  };
}

/** The keys by which a host without keys in the configuration is known since its first scan. */
export function knownKeys(host: Host, nodes: readonly ReadableNode[]): readonly string[] {
  const own = nodes.filter(({ record }) => record.connectionPort === host.port);
  return [...new Set(own.flatMap(({ record }) => record.hostKeys))];
}

/** The first scan is taken at its word; no later one that differs is. */
function changedKey(known: readonly string[], found: readonly string[]): string | null {
  if (known.length === 0 || found.length === 0) return null;
  const remedy = "if that is right, give the new key as the host's host-key";
  for (const line of found) {
    const [type = ""] = line.split(" ");
    const before = known.find((key) => key.startsWith(`${type} `));
    if (before === undefined || before === line) continue;
    return `its host key has changed: it shows ${fingerprint(line)}, known is ${fingerprint(before)}; ${remedy}`;
  }
  if (known.some((line) => found.includes(line))) return null;
  const shown = found.map(fingerprint).join(", ");
  return `its host keys have changed: it shows ${shown}, and none of those that are known; ${remedy}`;
}
