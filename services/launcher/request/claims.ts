// What a claim takes before its transaction is made: room in our own count, and its place among racing launchers.
import type { Config } from "../../../lib/config/types.ts";
import type { Action, Claim, Hand } from "../actions.ts";
import type { Environment } from "../environment.ts";
import { wishOf } from "../pool/obstacle.ts";
import { amountsOf, bounds, poolLimits } from "../pool/quota.ts";
import type { ServedPool } from "../pool/served.ts";
import { providerScope, tenantScope } from "./chains.ts";

/** Begins a claim where the action takes room. To be called in the same breath as the decision. */
export function openClaim(environment: Environment, action: Action): void {
  if (action.kind !== "serve" && action.kind !== "supplement") return;
  const { context, hand, chains } = environment;
  const { pool, request } = action;
  const record = context.view.request(request)?.record;
  if (!record) return;
  const { tenantName: tenant } = record;
  const given = action.nodes;
  const wanted = action.kind === "serve" ? record.nodeTypes : action.labels;
  const labels = wanted.filter((_label, index) => given[index] === null);
  const reused = new Map(
    given.flatMap((id, index) => {
      if (id === null) return [];
      const label = wanted[index] ?? "";
      const resources = context.view.node(id)?.record?.resources ?? pool.resourcesOf(label);
      return [[id, amountsOf(resources)] as const];
    }),
  );
  const before = new Set(environment.nodesOf(request).map(({ id }) => id));
  const links = scopesOf(context.config, hand, pool, labels, tenant).map((scope) => chains.link(scope));
  hand.claims.set(request, { pool, tenant, labels, reused, before, links });
}

/** Ends it; the view shows what came of it. */
export function closeClaim(environment: Environment, action: Action, succeeded: boolean): void {
  if (action.kind !== "serve" && action.kind !== "supplement") return;
  const claim = environment.hand.claims.get(action.request);
  environment.hand.claims.delete(action.request);
  for (const link of claim?.links ?? []) environment.chains.end(link, succeeded);
}

/** The scopes with limits in which these launches take room. */
function scopesOf(
  config: Pick<Config, "tenantLimits">,
  hand: Hand,
  pool: ServedPool,
  labels: readonly string[],
  tenant: string | null,
): string[] {
  const wish = wishOf(pool, labels);
  const limits = hand.limits.get(pool.provider.name);
  const atProvider = !pool.pool.ignoreProviderQuota && (limits === undefined || bounds(limits, wish));
  const isBound = labels.length > 0 && (bounds(poolLimits(pool.pool), wish) || atProvider);
  const isTenantBound = tenant !== null && config.tenantLimits.has(tenant);
  return [
    ...(isBound ? [providerScope(pool.provider.name)] : []),
    ...(isTenantBound ? [tenantScope(tenant)] : []),
  ];
}

/** The claim that an action was begun with. */
export function claimOf(environment: Environment, request: string): Claim | undefined {
  return environment.hand.claims.get(request);
}

/** All scopes that the configuration may bound. */
export function allScopes(config: Pick<Config, "providers" | "tenantLimits">): string[] {
  return [
    ...config.providers.map(({ name }) => providerScope(name)),
    ...[...config.tenantLimits.keys()].map(tenantScope),
  ];
}
