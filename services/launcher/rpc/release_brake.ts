import { notFound } from "../../../lib/rpc/errors.ts";
import type { ReleaseBrakeRequest, ReleaseBrakeResponse } from "../../../lib/rpc/gen/nodepool/v1/provider.ts";
import { parseName } from "../../../lib/rpc/names.ts";
import { nowOf } from "../environment.ts";
import type { Shared } from "./shared.ts";

/** Lets the cleanup of a provider go on. @throws INVALID_ARGUMENT, NOT_FOUND */
export async function releaseBrake(
  { environment }: Shared,
  { name }: ReleaseBrakeRequest,
): Promise<ReleaseBrakeResponse> {
  const { provider } = parseName("providers/{provider}", name);
  const { config, logger } = environment.context;
  if (!config.providers.some((candidate) => candidate.name === provider)) throw notFound("provider", name);
  environment.brakes.release(provider, nowOf(environment));
  logger.warn("the brake was released by a caller", { provider });
  return {};
}
