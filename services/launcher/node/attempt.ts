// One attempt to launch a node, as the provider sees it.
import type { NodeRecord } from "../../../lib/model/node.ts";
import { MIN_READY_REQUESTOR } from "../../../lib/model/request.ts";
import { type Instance, METADATA, type Provider } from "../../../lib/provider/contract.ts";
import type { Claim, NoteInstance } from "../../../lib/provider/nodepool.ts";
import type { Clock } from "../../../lib/std/clock.ts";
import { withDeadline } from "../../../lib/std/deadline.ts";
import { throughCheckpoints } from "../checkpoint.ts";
import { driverOf, type Environment } from "../environment.ts";
import { textOf } from "../external_ids.ts";
import type { LaunchImage } from "../pool/image.ts";
import type { Launch } from "../state.ts";
import { refusal } from "./attempt_image.ts";

/** A provider gets this long to delete one thing, in milliseconds. */
const DELETE_TIMEOUT_MS = 600_000;
const NOT_DELETED = `not deleted in ${DELETE_TIMEOUT_MS / 1000} s`;

/** Deletes something at a provider. @throws {Error} when it does not confirm that in time, or one of the signals is aborted */
export function inDeletionTime<T>(
  clock: Clock,
  signals: readonly AbortSignal[],
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return withDeadline(clock, DELETE_TIMEOUT_MS, NOT_DELETED, signals, call);
}

type AttemptData = { readonly launch_attempt?: unknown; readonly launch_attempt_over?: unknown };

/** What a node's `driver_data` says of its launch. */
function attemptData({ driverData }: Pick<NodeRecord, "driverData">): AttemptData {
  return typeof driverData === "object" && driverData !== null ? driverData : {};
}

/** Which attempt a node is at; it is kept in the node's `driver_data`. */
export function attemptOf(record: Pick<NodeRecord, "driverData">): number {
  const { launch_attempt: attempt } = attemptData(record);
  return typeof attempt === "number" ? attempt : 1;
}

/** Whether the node's attempt has failed: nobody goes on with what it has made, it is only removed. */
export function isAttemptOver(record: Pick<NodeRecord, "driverData">): boolean {
  return attemptData(record).launch_attempt_over === true;
}

/** The node with its attempt given up. */
export function withAttemptOver(record: NodeRecord): NodeRecord {
  const driverData = { ...attemptData(record), launch_attempt: attemptOf(record), launch_attempt_over: true };
  return { ...record, driverData };
}

/** The node at another attempt, which has no instance yet. */
export function withAttempt(record: NodeRecord, attempt: number): NodeRecord {
  return { ...record, externalId: null, slot: null, driverData: { launch_attempt: attempt } };
}

/** The node with its instance's id and what a driver has claimed for it. */
export function withInstance(record: NodeRecord, externalId: string, claim?: Claim): NodeRecord {
  if (claim === undefined) return { ...record, externalId };
  const driverData = { ...claim.driverData, launch_attempt: attemptOf(record) };
  return { ...record, externalId, slot: claim.slot, driverData };
}

/** The node with all that its provider says of its instance. */
export function asLaunched(record: NodeRecord, instance: Instance): NodeRecord {
  const { inherited, ...host } = instance.host ?? {};
  const attributes = { ...inherited, ...record.attributes, ...instance.attributes };
  return {
    ...record,
    ...host,
    externalId: instance.externalId,
    hostname: instance.name,
    interfaceIp: instance.interfaceIp,
    publicIpv4: instance.publicIpv4,
    privateIpv4: instance.privateIpv4,
    publicIpv6: instance.publicIpv6,
    connectionPort: instance.connectionPort ?? host.connectionPort ?? record.connectionPort,
    cloud: instance.cloud ?? host.cloud ?? record.cloud,
    region: instance.region,
    az: instance.az ?? record.az,
    hostId: instance.hostId,
    resources: { instances: 1, ...record.resources, ...instance.resources },
    attributes: Object.keys(attributes).length > 0 ? attributes : null,
  };
}

/** Names one attempt: a repeated create with the same token goes on with the same instance. */
export function launchToken(node: string, record: Pick<NodeRecord, "driverData" | "createdTime">): string {
  return `${tokenPrefix(node, record)}${attemptOf(record)}`;
}

/** What the tokens of a node begin with. Its number alone would not do: one is given anew when ZooKeeper was set back. */
function tokenPrefix(node: string, { createdTime }: Pick<NodeRecord, "createdTime">): string {
  return `${node}-${Math.round((createdTime ?? 0) * 1000)}-`;
}

/** Creates the instance of the launch's attempt from an image, or goes on with it. */
export async function createInstance(
  environment: Environment,
  launch: Launch,
  image: LaunchImage,
  note: NoteInstance,
  signal: AbortSignal,
): Promise<Instance> {
  const { pool, label, node, record } = launch;
  const driver = driverOf(environment, record.provider);
  if (driver === undefined) throw refusal(label, `provider '${record.provider}' is not served any more`);
  const metadata = {
    [METADATA.provider]: pool.provider.name,
    [METADATA.pool]: pool.pool.name,
    [METADATA.node]: node,
    ...(image.image === "" ? {} : { [METADATA.image]: image.image }),
    ...(image.build === null ? {} : { [METADATA.build]: image.build }),
    ...(image.upload === null ? {} : { [METADATA.upload]: image.upload }),
    [METADATA.launchToken]: launchToken(node, record),
    groups: [pool.provider.name, image.image, label].filter((group) => group !== "").join(","),
  };
  const asker =
    record.allocatedTo === null || record.requestor === null || record.requestor === MIN_READY_REQUESTOR
      ? null
      : {
          id: record.allocatedTo,
          requestor: record.requestor,
          tenant: record.tenantName,
          ...fieldsOf(environment, record.allocatedTo),
        };
  const spec = {
    name: `np${node}`,
    pool: pool.pool.name,
    label,
    imageExternalId: image.externalId,
    username: record.username,
    az: record.az,
    request: asker,
    metadata,
    ...(record.externalId === null ? {} : { externalId: textOf(record.externalId) }),
  };
  return await throughCheckpoints(environment.checkpoint, "node.create", () =>
    driver.createInstance(spec, note, signal),
  );
}

/** What format strings may name of a request. */
function fieldsOf(environment: Environment, id: string): { fields?: Record<string, unknown> } {
  const request = environment.context.view.request(id)?.record;
  if (!request) return {};
  return {
    fields: {
      id,
      labels: request.nodeTypes,
      requestor: request.requestor,
      requestor_data: request.requestorData,
      relative_priority: request.relativePriority,
      event_id: request.eventId,
      created_time: request.createdTime,
      tenant_name: request.tenantName,
    },
  };
}

/**
 * Deletes whatever the launch's attempt has left at the provider. That the attempt is over must have been written: another
 * launcher would go on with its instance, and this one delete it when it hears late that the node is not its own any more.
 */
export async function removeAttempt(
  environment: Environment,
  launch: Launch,
  signals: readonly AbortSignal[],
): Promise<void> {
  const driver = driverOf(environment, launch.record.provider);
  if (driver === undefined) return;
  const attempt = attemptOf(launch.record);
  const { length } = tokenPrefix(launch.node, launch.record);
  const isOfLaterAttempt = ({ metadata }: Instance) =>
    Number(metadata[METADATA.launchToken]?.slice(length)) > attempt;
  await withDeadline(
    environment.context.clock,
    launch.pool.provider.launchTimeout * 1000,
    "the provider did not delete the instance of the failed attempt in time",
    signals,
    (signal) => removeInstances(driver, launch.node, launch.record, signal, isOfLaterAttempt),
  );
}

/**
 * Deletes the instance of a node; where its id was never learnt, every instance that carries the node's id, except those
 * that are kept and those of another node that had the same number. Resolves when the provider has confirmed.
 */
export async function removeInstances(
  driver: Provider,
  node: string,
  record: Pick<NodeRecord, "externalId" | "createdTime">,
  signal: AbortSignal,
  isKept: (instance: Instance) => boolean = () => false,
): Promise<void> {
  if (record.externalId !== null) {
    await driver.deleteInstance(textOf(record.externalId), signal);
    return;
  }
  const prefix = tokenPrefix(node, record);
  for (const instance of await driver.listInstances(signal)) {
    const { externalId, metadata } = instance;
    const isOwn = metadata[METADATA.launchToken]?.startsWith(prefix) ?? true;
    if (metadata[METADATA.node] !== node || !isOwn || isKept(instance)) continue;
    await driver.deleteInstance(externalId, signal);
  }
}
