import type { ListProvidersResponse } from "../../../lib/rpc/gen/nodepool/v1/provider.ts";
import { formatName } from "../../../lib/rpc/names.ts";
import { driverOf } from "../environment.ts";
import type { Shared } from "./shared.ts";

/** Every provider of this launcher's configuration. */
export async function listProviders({ environment }: Shared): Promise<ListProvidersResponse> {
  const { config, unserved } = environment.context;
  const providers = config.providers.map((provider) => {
    const description = driverOf(environment, provider.name)?.describe();
    const problem = unserved.find((candidate) => candidate.name === provider.name)?.problem;
    const pools = provider.pools.map((pool) => ({
      name: pool.name,
      labels: pool.labels.map((label) => label.name),
      maxServers: Number.isFinite(pool.maxServers) ? pool.maxServers : undefined,
    }));
    return {
      name: formatName("providers/{provider}", { provider: provider.name }),
      driver: provider.driver,
      description: description?.summary ?? "",
      problem: problem ?? description?.problem ?? "",
      pools,
      brake: environment.brakes.decision(provider.name).reason,
    };
  });
  return { providers };
}
