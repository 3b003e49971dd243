// The keys of a provider with `driver: openstack`, from the configuration that was read already.
import type { PoolConfig, PoolLabelConfig, ProviderConfig } from "../../config/types.ts";

export interface LabelSettings {
  readonly pool: string;
  readonly label: string;
  /** The name or id of the image in the cloud; null for one that we upload. */
  readonly cloudImage: string | null;
  /** MiB, above 0; null: only the name counts. */
  readonly minRam: number | null;
  readonly flavorName: string | null;
  readonly keyName: string | null;
  /** GB; null: it boots from the host's disk. */
  readonly volumeSize: number | null;
  readonly properties: Readonly<Record<string, string>>;
  readonly dynamicProperties: Readonly<Record<string, string>>;
  readonly userData: string | null;
  /** Names or ids; empty: the cloud's choice. */
  readonly networks: readonly string[];
  /** Those that the pool lists. */
  readonly zones: readonly string[];
  readonly securityGroups: readonly string[];
  readonly autoFloatingIp: boolean;
  readonly configDrive: boolean | undefined;
}

export interface OpenStackSettings {
  /** In clouds.yaml; null: the only or the default one. */
  readonly cloud: string | null;
  readonly region: string | null;
  /** Seconds between calls. */
  readonly rate: number;
  readonly cleanFloatingIps: boolean;
  /** Seconds; 0: ports are left alone. */
  readonly portCleanupInterval: number;
  readonly labels: readonly LabelSettings[];
}

type Keys = Readonly<Record<string, unknown>>;

/** Reads the keys. The configuration has been checked, so that a value of another type is as good as none. */
export function readSettings(config: ProviderConfig): OpenStackSettings {
  const keys = config.settings;
  return {
    cloud: text(keys.cloud),
    region: text(keys["region-name"]),
    rate: number(keys.rate) ?? 1,
    cleanFloatingIps: keys["clean-floating-ips"] === true,
    portCleanupInterval: number(keys["port-cleanup-interval"]) ?? 600,
    labels: config.pools.flatMap((pool) => pool.labels.map((label) => readLabel(keys, pool, label))),
  };
}

function readLabel(provider: Keys, pool: PoolConfig, label: PoolLabelConfig): LabelSettings {
  const own = label.settings;
  const image = imageKeys(provider, label);
  return {
    pool: pool.name,
    label: label.name,
    cloudImage:
      label.cloudImage === null
        ? null
        : (text(image["image-id"]) ?? text(image["image-name"]) ?? label.cloudImage),
    // 0 is none, as with Nodepool.
    minRam: number(own["min-ram"]) || null,
    flavorName: text(own["flavor-name"]),
    keyName: text(own["key-name"]),
    volumeSize: own["boot-from-volume"] === true ? (number(own["volume-size"]) ?? 50) : null,
    properties: mapping(own["instance-properties"]),
    dynamicProperties: mapping(own["dynamic-instance-properties"]),
    userData: text(own.userdata),
    networks: texts(own.networks ?? pool.settings.networks),
    zones: texts(pool.settings["availability-zones"]),
    securityGroups: texts(pool.settings["security-groups"]),
    autoFloatingIp: pool.settings["auto-floating-ip"] !== false,
    configDrive: typeof image["config-drive"] === "boolean" ? image["config-drive"] : undefined,
  };
}

/** The provider's keys of the label's image: the last entry of that name in `diskimages` or `cloud-images`. */
function imageKeys(provider: Keys, label: PoolLabelConfig): Keys {
  const listed = provider[label.cloudImage === null ? "diskimages" : "cloud-images"];
  const name = label.cloudImage ?? label.diskimage;
  const entries = (Array.isArray(listed) ? listed : []) as readonly Keys[];
  return entries.findLast((entry) => entry?.name === name) ?? {};
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function number(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

function mapping(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, String(each)]));
}
