// The configurations of the launcher soak: one in which everything is served, and random others.
import type { Random } from "../simulation/random.ts";
import { SESSION_TIMEOUT_MS, type Servers } from "./soak_fleet.ts";

/** What the tenant `limited` may have. */
export const TENANT_LIMIT = 3;
/** Of nodes with an instance of their own. */
export const LABELS = ["small", "large", "medium"] as const;
/** Of slots of hosts, and of shares of nodes with the label medium. */
export const [HOST_LABEL, SHARE_LABEL] = ["bench", "share"];
/** Who works on hosts: all the same, for what one job finds wrong with a host is no reason to keep it out for long. */
export const HOST_REQUESTOR = "zuul";

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
  /** How many nodes share another. */
  readonly shares: number;
  /** How many slots each host has, by its letter. */
  readonly hosts: Readonly<Record<string, number>>;
}

/** Everything is served. */
export const WHOLE: SoakConfig = {
  maxConcurrency: 10,
  minReady: { small: 2, large: 1, medium: 0 },
  pools: {
    "alpha/main": { max: 6, labels: ["small", "large"] },
    "alpha/extra": { max: 3, labels: ["medium"] },
    "beta/main": { max: 5, labels: [...LABELS] },
    "meta/main": { max: 8, labels: [SHARE_LABEL] },
  },
  shares: 3,
  hosts: { a: 2, b: 1 },
};

/** The labels of a request: some pool offers all of them. */
export function someLabels(random: Random, counts: readonly number[]): string[] {
  const kind = random.pick([LABELS, LABELS, [HOST_LABEL], [SHARE_LABEL], [SHARE_LABEL]]);
  return Array.from({ length: random.pick(counts) }, () => random.pick(kind));
}

/** Another one: an edit or some. */
export function editedConfig(random: Random): SoakConfig {
  const minReady: Record<string, number> = { ...WHOLE.minReady };
  const pools: Record<string, Pool> = { ...WHOLE.pools };
  const hosts: Record<string, number> = { ...WHOLE.hosts };
  let { shares } = WHOLE;
  const somePool = () => random.pick(Object.keys(pools));
  const someFakePool = () => random.pick(Object.keys(pools).filter((name) => !name.startsWith("meta")));
  const change = (name: string, edit: (pool: Pool) => Partial<Pool>) => {
    const pool = pools[name];
    if (pool !== undefined) pools[name] = { ...pool, ...edit(pool) };
  };
  const edits = [
    () => {
      minReady[random.pick(LABELS)] = random.below(4);
    },
    () => change(somePool(), () => ({ max: random.below(7) })),
    () => change(someFakePool(), ({ labels }) => ({ labels: labels.slice(1) })),
    () => change(someFakePool(), () => ({ labels: [random.pick(LABELS)] })),
    () => {
      delete pools["alpha/extra"];
    },
    () => {
      delete pools["beta/main"];
    },
    () => {
      delete pools["meta/main"];
    },
    () => {
      shares = 1 + random.below(3);
      minReady[SHARE_LABEL] = random.below(2);
    },
    () => {
      delete hosts[random.pick(Object.keys(WHOLE.hosts))];
    },
    () => {
      hosts[random.pick(["a", "b", "c"])] = 1 + random.below(3);
    },
  ];
  for (let count = 1 + random.below(3); count > 0; count -= 1) random.pick(edits)();
  return { maxConcurrency: random.pick([10, 10, 3, 1]), minReady, pools, shares, hosts };
}

/** Where everything is that a launcher connects to. */
export interface Surroundings {
  readonly zooKeeper: Servers;
  readonly cloud: string;
  /** Hosts by their letter. */
  readonly hosts: ReadonlyMap<string, { readonly name: string; readonly port: number }>;
}

/** The nodepool.yaml. */
export function configText(config: SoakConfig, { zooKeeper, cloud, hosts }: Surroundings): string {
  const { maxConcurrency, minReady, pools, shares } = config;
  const named = Object.entries(pools).map(([name, pool]) => {
    const [provider = "", own = ""] = name.split("/");
    return { provider, own, ...pool };
  });
  const share = `backing-label: medium, max-parallel-jobs: ${shares}, grace-time: 1`;
  const poolText = ({ provider, own, max, labels }: (typeof named)[0]) => `
      - name: ${own}
        max-servers: ${max}
        labels: [${labels.map((label) => `{name: ${label}, ${provider === "meta" ? share : "diskimage: image"}}`).join(", ")}]`;
  const ofFake = `
    driver: fake
    cloud: ${cloud}
    boot-timeout: 6
    launch-timeout: 10
    max-concurrency: ${maxConcurrency}
    diskimages: [{name: image}]`;
  const ofMeta = `
    driver: metastatic
    boot-timeout: 20
    launch-timeout: 40`;
  const providerText = (provider: string) => `
  - name: ${provider}${provider === "meta" ? ofMeta : ofFake}
    pools:${named
      .filter((pool) => pool.provider === provider)
      .map(poolText)
      .join("")}`;
  const providers = [...new Set(named.map(({ provider }) => provider))];
  const hostText = ([letter, slots]: [string, number]) => {
    const { name, port } = hosts.get(letter) ?? {};
    return `{name: ${name}, connection-port: ${port}, connection-type: winrm, labels: [${HOST_LABEL}], max-parallel-jobs: ${slots}}`;
  };
  return `
zookeeper-servers: [${zooKeeper.map(({ host, port }) => `{host: ${host}, port: ${port}}`).join(", ")}]
zookeeper-timeout: ${SESSION_TIMEOUT_MS / 1000}
labels: [${[...LABELS, HOST_LABEL, SHARE_LABEL].map((name) => `{name: ${name}, min-ready: ${minReady[name] ?? 0}}`).join(", ")}]
diskimages: [{name: image}]
tenant-resource-limits: [{tenant-name: limited, max-servers: ${TENANT_LIMIT}}]
providers:${providers.map(providerText).join("")}
  - name: lab
    driver: static
    pools: [{name: main, nodes: [${Object.entries(config.hosts).map(hostText).join(", ")}]}]
`;
}
