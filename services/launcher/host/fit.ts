// Whether a pool of hosts can serve a request now, later or never. Pure.
//
// Its nodes are ready or in use, none is launched. A ready one is handed over only when its host has just passed a
// check; else the check comes first, and the request waits for it.
import type { RequestRecord } from "../../../lib/model/request.ts";
import type { World } from "../actions.ts";
import type { Census } from "../pool/census.ts";
import { type Fit, type Obstacle, tenantTurn, wishOf } from "../pool/obstacle.ts";
import { nameOf, type ServedPool } from "../pool/served.ts";
import { FreeSlots, isHopeful } from "./free_slots.ts";
import { matchAll } from "./match.ts";
import { hostKey } from "./slots.ts";

/** Looks at a pool of hosts that offers all labels of the request. */
export function fitHosts(
  world: World,
  census: Census,
  pool: ServedPool,
  { record }: { readonly record: RequestRecord },
): Fit {
  const labels = record.nodeTypes;
  const place = { pool, reason: "" };
  const say = (text: string) => `${nameOf(pool)}: ${text}`;
  const obstacle = record.reuse ? neverOnHosts(pool, labels) : NO_REUSE;
  if (obstacle !== null) {
    return { ...place, kind: "never", rule: obstacle.rule, reason: say(obstacle.text) };
  }
  const tenant = tenantTurn(world, census, record.tenantName, wishOf(pool, labels));
  if (tenant !== null) {
    const reason = say(tenant.text);
    if (tenant.rule === "impossible") return { ...place, kind: "never", rule: tenant.rule, reason };
    return { ...place, kind: "later", wait: "turn", rule: tenant.rule, reason };
  }
  const free = new FreeSlots(world, census, pool);
  const fresh = free.pick(labels, (standing) => standing === "fresh");
  if (fresh.every((node) => node !== null)) return { kind: "now", pool, nodes: fresh, zone: null };
  const hopeful = free.pick(labels, isHopeful);
  const lacking = labels.find((_label, index) => hopeful[index] === null);
  if (lacking === undefined) {
    const names = free.notFresh(hopeful).map(({ host }) => host.identity);
    const isOne = names.length === 1;
    const checked = isOne ? "is checked before it is handed over" : "are checked before they are handed over";
    const reason = say(`${isOne ? "host" : "hosts"} ${names.join(", ")} ${checked}`);
    return { ...place, kind: "later", wait: "turn", rule: "host-check", reason };
  }
  return { ...place, kind: "later", wait: "turn", rule: "hosts", reason: say(free.whyNone(lacking)) };
}

/** At most so many requests of a kind have their hosts checked at the same time. */
const AHEAD = 25;

/** The hosts whose checks so many requests of a kind wait for, by their {@link hostKey}. */
export function checksFor(
  world: World,
  census: Census,
  pool: ServedPool,
  labels: readonly string[],
  requests: number,
): string[] {
  const free = new FreeSlots(world, census, pool);
  const wanted = Array.from({ length: Math.min(requests, AHEAD) }, () => labels).flat();
  return free.notFresh(free.pick(wanted, isHopeful)).map(hostKey);
}

/** Why a pool of hosts has no free slot for a label that would be handed over; or null. */
export function hostShortage(world: World, census: Census, pool: ServedPool, label: string): Obstacle | null {
  const free = new FreeSlots(world, census, pool);
  const [node] = free.pick([label], isHopeful);
  return node ? null : { rule: "hosts", text: free.whyNone(label) };
}

const NO_REUSE: Obstacle = {
  rule: "reuse",
  text: "its nodes are hosts that are ready already, and the request takes none that was ready before",
};

/** Why the hosts of a pool could not serve these labels even if nobody else used them; or null. */
export function neverOnHosts(pool: ServedPool, labels: readonly string[]): Obstacle | null {
  const slots = (pool.hosts ?? []).flatMap((host) => Array.from({ length: host.slots }, () => ({ host })));
  const able = (label: string) => slots.filter(({ host }) => host.labels.includes(label));
  if (!matchAll(labels, able).includes(null)) return null;
  const asked = [...new Set(labels)].map((label) => {
    const wanted = labels.filter((other) => other === label).length;
    return `${wanted} of '${label}', of which its hosts have ${able(label).length}`;
  });
  return { rule: "too-few-hosts", text: `it can never have ${asked.join(", and ")}` };
}
