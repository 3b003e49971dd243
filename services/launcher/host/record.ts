// The record of a slot, as Nodepool's static driver writes it. Pure.
import { isDeepStrictEqual } from "node:util";
import { type NodeRecord, newNode, withNodeState } from "../../../lib/model/node.ts";
import type { Judgement } from "./judge.ts";
import { encodeMemory, type Memory, NO_MEMORY } from "./memory.ts";
import type { PlacedHost, Slot } from "./slots.ts";

/** What Nodepool writes as the launcher of such nodes. */
export const LAUNCHER = "static driver";

/** What of a record follows from the configuration. */
function configured({ pool, host }: PlacedHost) {
  const attributes = pool.pool.nodeAttributes;
  return {
    pool: host.pool,
    type: [...host.labels],
    username: host.username,
    connectionPort: host.port,
    sshPort: host.port,
    connectionType: host.connectionType,
    shellType: host.shellType,
    pythonPath: host.pythonPath,
    attributes: Object.keys(attributes).length > 0 ? attributes : null,
  };
}

/** A new record for a slot: ready, or out of service with the reason as its comment. */
export function newSlotRecord(
  slot: PlacedHost & { readonly number: number },
  verdict: Exclude<Judgement, { kind: "unknown" }>,
  given: { readonly memory: Memory; readonly hostKeys: readonly string[]; readonly now: number },
): NodeRecord {
  const { host, pool } = slot;
  const isGood = verdict.kind === "good";
  return newNode(given.now, {
    ...configured(slot),
    state: isGood ? "ready" : "testing",
    comment: isGood ? null : commentOf(verdict.reason),
    provider: pool.provider.name,
    launcher: LAUNCHER,
    externalId: host.name,
    hostname: host.name,
    interfaceIp: host.name,
    publicIpv4: isGood ? verdict.ipv4 : null,
    publicIpv6: isGood ? verdict.ipv6 : null,
    hostKeys: isGood ? verdict.hostKeys : given.hostKeys,
    slot: slot.number,
    driverData: encodeMemory(given.memory),
  });
}

/**
 * The idle slot's record as it should be by now; the same object when it is so already. `now` is in seconds.
 *
 * @throws {TransitionError} when the slot is not idle
 */
export function wantedRecord(
  slot: Slot,
  record: NodeRecord,
  verdict: Exclude<Judgement, { kind: "unknown" }>,
  now: number,
): NodeRecord {
  const isGood = verdict.kind === "good";
  const state = isGood ? "ready" : "testing";
  const entered = state === record.state ? record : withNodeState(record, state, now);
  const found = isGood
    ? {
        comment: record.state === "testing" ? null : record.comment,
        publicIpv4: verdict.ipv4,
        publicIpv6: verdict.ipv6,
        hostKeys: keysFit(record.hostKeys, verdict.hostKeys) ? record.hostKeys : verdict.hostKeys,
        ...(verdict.ends ? { driverData: encodeMemory({ ...NO_MEMORY, trustedSince: now }) } : {}),
      }
    : { comment: commentOf(verdict.reason) };
  const wanted = { ...entered, ...configured(slot), ...found, slot: slot.number };
  return isDeepStrictEqual(wanted, record) ? record : wanted;
}

/** A Python launcher keeps every key that its scan finds; that is no reason to write the record anew. */
function keysFit(recorded: readonly string[], wanted: readonly string[]): boolean {
  if (wanted.length === 0) return recorded.length === 0;
  const types = new Set(wanted.map((line) => line.split(" ", 1)[0]));
  const isOther = (line: string) => types.has(line.split(" ", 1)[0]) && !wanted.includes(line);
  return wanted.every((line) => recorded.includes(line)) && !recorded.some(isOther);
}

const COMMENT = "out of service: ";

function commentOf(reason: string): string {
  return `${COMMENT}${reason}`;
}

/** Why a slot's record is out of service; null when it does not say so. */
export function outOfService(record: Pick<NodeRecord, "state" | "comment">): string | null {
  if (record.state !== "testing") return null;
  return record.comment?.startsWith(COMMENT) ? record.comment.slice(COMMENT.length) : "it is being tested";
}
