// The configurations of the launcher soak: one in which everything is served, and random others.
import type { Random } from "../simulation/random.ts";

/** Of the launchers. */
export const SESSION_TIMEOUT_MS = 2000;
/** What the tenant `limited` may have. */
export const TENANT_LIMIT = 3;
export const LABELS = ["small", "large", "medium"] as const;

interface Pool {
  readonly max: number;
  readonly labels: readonly string[];
}

/** What differs between configurations. */
export interface SoakConfig {
  /** Of all providers. A change of it is one of their drivers, too. */
  readonly maxConcurrency: number;
  /** By label. */
  readonly minReady: Readonly<Record<string, number>>;
  /** By provider and pool, as alpha/main. */
  readonly pools: Readonly<Record<string, Pool>>;
}

/** Everything is served. */
export const WHOLE: SoakConfig = {
  maxConcurrency: 10,
  minReady: { small: 2, large: 1, medium: 0 },
  pools: {
    "alpha/main": { max: 6, labels: ["small", "large"] },
    "alpha/extra": { max: 3, labels: ["medium"] },
    "beta/main": { max: 5, labels: [...LABELS] },
  },
};

/** Another one: an edit or some. */
export function editedConfig(random: Random): SoakConfig {
  const minReady: Record<string, number> = { ...WHOLE.minReady };
  const pools: Record<string, Pool> = { ...WHOLE.pools };
  const somePool = () => random.pick(Object.keys(pools));
  const change = (name: string, edit: (pool: Pool) => Partial<Pool>) => {
    const pool = pools[name];
    if (pool !== undefined) pools[name] = { ...pool, ...edit(pool) };
  };
  const edits = [
    () => {
      minReady[random.pick(LABELS)] = random.below(4);
    },
    () => change(somePool(), () => ({ max: random.below(7) })),
    () => change(somePool(), ({ labels }) => ({ labels: labels.slice(1) })),
    () => change(somePool(), () => ({ labels: [random.pick(LABELS)] })),
    () => {
      delete pools["alpha/extra"];
    },
    () => {
      delete pools["beta/main"];
    },
  ];
  for (let count = 1 + random.below(3); count > 0; count -= 1) random.pick(edits)();
  return { maxConcurrency: random.pick([10, 10, 3, 1]), minReady, pools };
}

/** The nodepool.yaml. */
export function configText(
  { maxConcurrency, minReady, pools }: SoakConfig,
  { host, port }: { readonly host: string; readonly port: number },
  cloud: string,
): string {
  const named = Object.entries(pools).map(([name, pool]) => {
    const [provider = "", own = ""] = name.split("/");
    return { provider, own, ...pool };
  });
  const poolText = ({ own, max, labels }: (typeof named)[0]) => `
      - name: ${own}
        max-servers: ${max}
        labels: [${labels.map((label) => `{name: ${label}, diskimage: image}`).join(", ")}]`;
  const providerText = (provider: string) => `
  - name: ${provider}
    driver: fake
    cloud: ${cloud}
    boot-timeout: 6
    launch-timeout: 10
    max-concurrency: ${maxConcurrency}
    diskimages: [{name: image}]
    pools:${named
      .filter((pool) => pool.provider === provider)
      .map(poolText)
      .join("")}`;
  const providers = [...new Set(named.map(({ provider }) => provider))];
  return `
zookeeper-servers: [{host: ${host}, port: ${port}}]
zookeeper-timeout: ${SESSION_TIMEOUT_MS / 1000}
labels: [${LABELS.map((name) => `{name: ${name}, min-ready: ${minReady[name] ?? 0}}`).join(", ")}]
diskimages: [{name: image}]
tenant-resource-limits: [{tenant-name: limited, max-servers: ${TENANT_LIMIT}}]
providers:${providers.map(providerText).join("")}
`;
}
