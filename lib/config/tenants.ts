import { limit } from "./kinds.ts";
import type { TenantRow } from "./schema.ts";

/** Keys of limits by the resource that they are of; other keys are names of resources. */
const RESOURCES: ReadonlyMap<string, string> = new Map([
  ["max-servers", "instances"],
  ["max-cores", "cores"],
  ["max-ram", "ram"],
  ["max-volumes", "volumes"],
  ["max-volume-gb", "volume-gb"],
]);

/** What each tenant may use; of several limits for one tenant the last counts. */
export function readTenantLimits(rows: readonly TenantRow[]): Map<string, Record<string, number>> {
  const tenants = new Map<string, Record<string, number>>();
  for (const { at, "tenant-name": tenant } of rows) {
    if (at.value.kind !== "map") continue;
    const limits: [string, number][] = [];
    for (const key of at.given([...at.value.entries.keys()])) {
      const place = at.key(key);
      const value = key === "tenant-name" || place === null ? undefined : limit(place);
      if (value !== undefined) limits.push([RESOURCES.get(key) ?? key, value]);
    }
    if (tenants.has(tenant)) {
      at.key("tenant-name")?.warning(`${tenant} already has limits above; these count, remove the others`);
    }
    tenants.set(tenant, Object.fromEntries(limits));
  }
  return tenants;
}
