// Writes the records of slots: new ones under the keeper's lock, idle ones only while nobody has them.
import { nodeLockPath } from "../../../lib/model/paths.ts";
import type { Action } from "../actions.ts";
import { type Environment, transaction } from "../environment.ts";
import { readableNode } from "../request/read.ts";
import { hostKey } from "./slots.ts";

type ActionOf<Kind extends Action["kind"]> = Extract<Action, { kind: Kind }>;

/** Records slots of a host, all in one transaction. */
export async function registerSlots(
  environment: Environment,
  { placed, records }: ActionOf<"register-slots">,
): Promise<void> {
  const lock = environment.hand.keeping.get(placed.pool.provider.name);
  if (lock === undefined) return;
  const steps = transaction(environment, "host.register");
  steps.guard(lock);
  for (const record of records) steps.createNode(record);
  await steps.commit();
  const [first] = records;
  const fields = { host: hostKey(placed), slots: records.map(({ slot }) => slot) };
  const { logger } = environment.context;
  if (first?.state === "ready") logger.info("host recorded", fields);
  else logger.warn("host recorded out of service", { ...fields, reason: first?.comment });
}

/** Writes an idle slot's record anew. */
export async function updateSlot(
  environment: Environment,
  { node: id, record }: ActionOf<"update-slot">,
): Promise<void> {
  const node = readableNode(environment, id);
  const steps = transaction(environment, "host.update");
  steps.proveFree(nodeLockPath(id), node.lock);
  steps.setNode(id, record, node.version);
  await steps.commit();
  const fields = { node: id, provider: record.provider, host: record.hostname, slot: record.slot };
  const { logger } = environment.context;
  if (record.state !== "ready") logger.warn("host out of service", { ...fields, reason: record.comment });
  else if (node.record.state === "ready") logger.info("host changed as configured", fields);
  else logger.info("host back in service", fields);
}
