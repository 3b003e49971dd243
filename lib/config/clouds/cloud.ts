// One cloud of clouds.yaml or of the environment's OS_*, resolved as openstacksdk does it.
import { didYouMean } from "../nearest.ts";
import { type Credentials, readCredentials } from "./credentials.ts";
import {
  asMapping,
  CloudConfigError,
  type CloudFiles,
  type Env,
  isMapping,
  type Mapping,
  merge,
} from "./files.ts";
import { PROFILE_NAMES, profileOf } from "./profiles.ts";

/** What clouds.yaml says of one network. Absent: found out from the cloud. */
export interface NetworkHint {
  /** Name or id. */
  readonly name: string;
  /** Whether its IPv4 addresses can be reached from outside. */
  readonly routesExternally?: boolean;
  /** Addresses of this network are the ones to connect to. */
  readonly defaultInterface?: boolean;
  /** Floating addresses come from here. */
  readonly natSource?: boolean;
  /** Floating addresses are attached to the port of this network. */
  readonly natDestination?: boolean;
}

/** A cloud, ready to be connected to. */
export interface Cloud {
  readonly name: string;
  /** Where it was found, for messages: a path, or "the environment". */
  readonly source: string;
  /** With /v3 at its end. */
  readonly authUrl: string;
  readonly credentials: Credentials;
  readonly region: string | null;
  /** Of the catalogue: public, internal or admin. */
  readonly interface: string;
  /** The format in which it takes images. */
  readonly imageFormat: string;
  /** Whether the servers' certificates are checked, and against which authority. */
  readonly verify: boolean;
  readonly caFile: string | null;
  readonly certFile: string | null;
  readonly keyFile: string | null;
  readonly networks: readonly NetworkHint[];
  /** Whether we are inside the cloud, and private addresses are the ones to connect to. */
  readonly isPrivate: boolean;
  readonly forceIpv4: boolean;
  /** Whether servers may get floating addresses at all. */
  readonly floatingIps: boolean;
  /** Properties to give to every image. */
  readonly imageProperties: Readonly<Record<string, string>>;
  /** All keys, for those of single services: compute_endpoint_override, volume_service_type, … */
  readonly keys: Mapping;
}

/** What may be in the environment and is no key of a cloud. */
const NOT_OF_A_CLOUD = new Set([
  "OS_CLOUD",
  "OS_CLOUD_NAME",
  "OS_CLIENT_CONFIG_FILE",
  "OS_CLIENT_SECURE_FILE",
  "OS_CLIENT_VENDOR_FILE",
  "OS_FORCE_IPV4",
  "OS_PREFER_IPV6",
]);

/** Variables of test programs, which openstacksdk leaves out too. */
const NOT_OF_OPENSTACK = /^OS_(TEST|STD|LOG)/;

/** What says which part of a cloud is meant, and makes no cloud alone. */
const CHOICE = "OS_REGION_NAME";

/**
 * Resolves a cloud.
 *
 * @param wanted its name; null for the one that OS_CLOUD names, that of the environment's OS_*, or the only one there is
 * @param region the region to use, before that of the cloud
 * @throws {CloudConfigError}
 */
export function resolveCloud(
  files: CloudFiles,
  env: Env,
  wanted: string | null,
  region: string | null,
): Cloud {
  const environment = environmentCloud(env);
  const environmentName = env.OS_CLOUD_NAME ?? "envvars";
  const named = environment === null ? files.clouds : { ...files.clouds, [environmentName]: environment };
  const name = wanted ?? env.OS_CLOUD ?? (environment === null ? onlyOne(files) : environmentName);
  const own = Object.hasOwn(named, name) ? named[name] : undefined;
  const source =
    own === environment && environment !== null ? "the environment" : (files.path ?? "clouds.yaml");
  if (own === undefined) {
    const place = files.path ?? `no clouds.yaml; looked for ${files.searched.join(", ")}`;
    const hint =
      didYouMean(name, Object.keys(named)) || `; it has: ${Object.keys(named).join(", ") || "none"}`;
    throw new CloudConfigError(`cloud '${name}' was not found (${place})${files.path === null ? "" : hint}`);
  }
  const place = `cloud '${name}' of ${source}`;
  const keys = expandRegion(place, normalise(withProfile(place, own, files)), region);
  return readCloud(name, source, keys, { files, env });
}

function onlyOne(files: CloudFiles): string {
  const [first, ...rest] = Object.keys(files.clouds);
  if (first !== undefined && rest.length === 0) return first;
  throw new CloudConfigError(
    `no cloud is named: set the provider's key cloud, OS_CLOUD, or OS_AUTH_URL with its companions` +
      (first === undefined ? "" : `; ${files.path} has: ${[first, ...rest].join(", ")}`),
  );
}

function environmentCloud(env: Env): Mapping | null {
  const entries = Object.entries(env).filter(
    ([key, value]) =>
      /^OS_[A-Z0-9_]+$/.test(key) &&
      !NOT_OF_A_CLOUD.has(key) &&
      !NOT_OF_OPENSTACK.test(key) &&
      value !== undefined &&
      value !== "",
  );
  if (entries.every(([key]) => key === CHOICE)) return null;
  return Object.fromEntries(entries.map(([key, value]) => [key.slice(3).toLowerCase(), value]));
}

function withProfile(place: string, own: Mapping, files: CloudFiles): Mapping {
  const name = own.profile ?? own.cloud;
  if (typeof name !== "string") return own;
  const profile = files.profiles[name] ?? profileOf(name);
  if (profile === null) {
    // As with openstacksdk, a cloud that says itself where it is needs none.
    const { auth, ...others } = normalise(own);
    if (textOf(asMapping(auth).auth_url ?? others.auth_url) !== null) return own;
    const known = [...Object.keys(files.profiles), ...PROFILE_NAMES];
    throw new CloudConfigError(
      `${place}: profile '${name}' is not known${didYouMean(name, known) || `; known: ${known.join(", ")}`}. ` +
        "Add it to clouds-public.yaml, or write its keys into the cloud",
    );
  }
  return merge(normalise(profile), normalise(own));
}

/** Keys with underscores, as openstacksdk reads them. */
function normalise(keys: Mapping): Mapping {
  const entries = Object.entries(keys).map(([key, value]) => [
    key.replaceAll("-", "_"),
    isMapping(value) ? normalise(value) : value,
  ]);
  return Object.fromEntries(entries);
}

/** Chooses the region and lays what the cloud says of it over the rest. */
function expandRegion(place: string, keys: Mapping, wanted: string | null): Mapping {
  const regions = (Array.isArray(keys.regions) ? keys.regions : []).map((each) =>
    isMapping(each)
      ? { name: String(each.name), values: normalise(asMapping(each.values)) }
      : { name: String(each), values: {} },
  );
  const name = wanted ?? textOf(keys.region_name) ?? regions[0]?.name ?? null;
  const region = regions.find((each) => each.name === name);
  if (regions.length > 0 && region === undefined) {
    const known = regions.map((each) => each.name).join(", ");
    throw new CloudConfigError(`${place} has no region '${name}'; its regions: ${known}`);
  }
  return { ...merge(keys, region?.values ?? {}), region_name: name };
}

function readCloud(
  name: string,
  source: string,
  keys: Mapping,
  { files, env }: { readonly files: CloudFiles; readonly env: Env },
): Cloud {
  const place = `cloud '${name}' of ${source}`;
  const { authUrl, credentials } = readCredentials(place, keys);
  const region = textOf(keys.region_name);
  const path = (key: string) => expandHome(textOf(keys[key]), env);
  const client = files.client;
  const prefersIpv6 = readBoolean(env.OS_PREFER_IPV6 ?? client.prefer_ipv6 ?? client["prefer-ipv6"], true);
  const isIpv4Forced = readBoolean(env.OS_FORCE_IPV4 ?? client.force_ipv4 ?? client["broken-ipv6"], false);
  const floatingSource = (textOf(keys.floating_ip_source) ?? "neutron").toLowerCase();
  return {
    name,
    source,
    authUrl: authUrl.replace(/%\(region_name\)s|\{region_name\}/g, region ?? ""),
    credentials,
    region,
    interface: (textOf(keys.interface) ?? textOf(keys.endpoint_type) ?? "public").replace(/URL$/, ""),
    imageFormat: textOf(keys.image_format) ?? "qcow2",
    verify: readBoolean(keys.verify, true) && !readBoolean(keys.insecure, false),
    caFile: path("cacert"),
    certFile: path("cert"),
    keyFile: path("key"),
    networks: readNetworks(keys),
    isPrivate: readBoolean(keys.private, false),
    // What the cloud itself says goes before what is said of all.
    forceIpv4:
      readBoolean(keys.force_ipv4, isIpv4Forced || !prefersIpv6) || !readBoolean(keys.prefer_ipv6, true),
    floatingIps: floatingSource !== "none" && readBoolean(keys.requires_floating_ip, true),
    imageProperties: texts(keys.disable_vendor_agent),
    keys,
  };
}

function readNetworks(keys: Mapping): NetworkHint[] {
  const listed = (Array.isArray(keys.networks) ? keys.networks : []).filter(isMapping).map((network) => {
    const flag = (key: string) => (network[key] === undefined ? undefined : readBoolean(network[key], false));
    const flags = {
      routesExternally: flag("routes_ipv4_externally") ?? flag("routes_externally"),
      defaultInterface: flag("default_interface"),
      natSource: flag("nat_source"),
      natDestination: flag("nat_destination"),
    };
    const given = Object.entries(flags).filter(([, value]) => value !== undefined);
    return { name: String(network.name), ...Object.fromEntries(given) };
  });
  const older = [
    { key: "external_network", routesExternally: true, defaultInterface: true },
    { key: "internal_network", routesExternally: false, natDestination: true },
  ] as const;
  return [
    ...listed,
    ...older.flatMap(({ key, ...flags }) => {
      const name = textOf(keys[key]);
      return name === null ? [] : [{ name, ...flags }];
    }),
  ];
}

function texts(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(asMapping(value)).map(([key, each]) => [key, String(each)]));
}

function expandHome(path: string | null, env: Env): string | null {
  return path?.startsWith("~/") ? `${env.HOME ?? ""}${path.slice(1)}` : path;
}

export function textOf(value: unknown): string | null {
  if (typeof value === "number") return String(value);
  return typeof value === "string" && value !== "" ? value : null;
}

function readBoolean(value: unknown, fallback: boolean): boolean {
  if (typeof value === "boolean") return value;
  if (value === undefined || value === null || value === "") return fallback;
  return /^(true|yes|on|1)$/i.test(String(value));
}
