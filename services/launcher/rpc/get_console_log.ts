import { ProviderError } from "../../../lib/provider/contract.ts";
import { failedPrecondition, unavailable } from "../../../lib/rpc/errors.ts";
import type { GetConsoleLogRequest, GetConsoleLogResponse } from "../../../lib/rpc/gen/nodepool/v1/node.ts";
import { messageOf } from "../../../lib/std/errors.ts";
import { driverOf } from "../environment.ts";
import { textOf } from "../external_ids.ts";
import { findNode, type Shared } from "./shared.ts";

/** A message may have 4 MiB. */
const LARGEST = 2 ** 20;

/**
 * What a node's machine has written to its console.
 *
 * @throws UNAVAILABLE when its provider may show it later; INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION
 */
export async function getConsoleLog(
  shared: Shared,
  { name }: GetConsoleLogRequest,
  signal: AbortSignal,
): Promise<GetConsoleLogResponse> {
  const { id, record } = await findNode(shared, name);
  const refuse = (reason: string, message: string) =>
    failedPrecondition(reason, `node ${id} ${message}`, { name, provider: record?.provider ?? "" });
  if (!record?.externalId) throw refuse("NODE_HAS_NO_INSTANCE", "has no machine at its provider");
  const driver = driverOf(shared.environment, record.provider);
  if (driver === undefined) {
    throw refuse("PROVIDER_ELSEWHERE", `is at '${record.provider}', which this launcher does not serve`);
  }
  const text = await driver.consoleLog(textOf(record.externalId), signal).catch((error: unknown) => {
    const problem = `${driver.name}: ${messageOf(error)}`;
    const isLasting = error instanceof ProviderError && !error.retryable;
    if (isLasting) throw failedPrecondition("PROVIDER_FAILED", problem, { name, provider: driver.name });
    throw unavailable("PROVIDER_FAILED", problem);
  });
  if (text === null) throw refuse("NO_CONSOLE_LOG", `has no console log: '${driver.name}' keeps none of it`);
  return { text: text.slice(-LARGEST), truncated: text.length > LARGEST };
}
