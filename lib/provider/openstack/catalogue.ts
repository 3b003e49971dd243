// Where each service is, by Keystone's catalogue and what clouds.yaml says against it.
import { type Cloud, textOf } from "../../config/clouds/cloud.ts";
import { ProviderError } from "../contract.ts";
import { SERVICE_NAMES, type ServiceName } from "./errors.ts";
import type { Token } from "./identity.ts";

/** A service as a token lists it. */
export interface CatalogueEntry {
  readonly type: string;
  readonly name?: string;
  readonly endpoints?: readonly {
    readonly url: string;
    readonly interface: string;
    readonly region?: string | null;
    readonly region_id?: string | null;
  }[];
}

/** The types under which a service may be listed, best first, and its prefixes in clouds.yaml. */
const TYPES: Readonly<
  Record<ServiceName, { readonly types: readonly string[]; readonly prefixes: readonly string[] }>
> = {
  identity: { types: ["identity"], prefixes: ["identity"] },
  compute: { types: ["compute"], prefixes: ["compute"] },
  network: { types: ["network"], prefixes: ["network"] },
  image: { types: ["image"], prefixes: ["image"] },
  volume: {
    types: ["volumev3", "block-storage", "volume"],
    prefixes: ["volume", "block_storage", "volumev3"],
  },
};

/** What a cloud says of where its services are. */
type Place = Pick<Cloud, "name" | "region" | "interface" | "keys">;

/**
 * The address of a service with the version that we speak at its end, without a slash.
 *
 * @throws {ProviderError} that names the service, the region and what the catalogue has
 */
export function endpointOf(cloud: Place, token: Token, service: ServiceName): string {
  const { types, prefixes } = TYPES[service];
  const key = (suffix: string) =>
    prefixes.map((prefix) => textOf(cloud.keys[`${prefix}_${suffix}`])).find((value) => value !== null) ??
    null;
  const override = key("endpoint_override") ?? key("endpoint");
  if (override !== null) return withVersion(service, expand(override, token), token);
  const wantedType = key("service_type");
  const wantedName = key("service_name");
  const region = key("region_name") ?? cloud.region;
  const kind = (key("interface") ?? cloud.interface).replace(/URL$/, "");
  for (const type of wantedType === null ? types : [wantedType]) {
    for (const entry of token.catalogue) {
      if (entry.type !== type || (wantedName !== null && entry.name !== wantedName)) continue;
      const endpoint = entry.endpoints?.find(
        (each) =>
          each.interface === kind && (region === null || each.region === region || each.region_id === region),
      );
      if (endpoint !== undefined) return withVersion(service, endpoint.url, token);
    }
  }
  throw missing(cloud, token, { service, type: wantedType ?? types[0] ?? service, region, kind });
}

function missing(
  cloud: Place,
  token: Token,
  wanted: { service: ServiceName; type: string; region: string | null; kind: string },
): ProviderError {
  const offered = token.catalogue.flatMap(({ type, endpoints }) =>
    (endpoints ?? []).map((each) => `${type} (${each.region ?? each.region_id}, ${each.interface})`),
  );
  const place = wanted.region === null ? "" : ` in region '${wanted.region}'`;
  return new ProviderError(
    `the catalogue of cloud '${cloud.name}' has no ${SERVICE_NAMES[wanted.service]} (type '${wanted.type}', interface ${wanted.kind})${place}; ` +
      `it has: ${[...new Set(offered)].join(", ") || "nothing: the token is not for a project"}. ` +
      `Set region-name or interface, or ${TYPES[wanted.service].prefixes[0]}_endpoint_override in clouds.yaml`,
  );
}

function expand(url: string, token: Token): string {
  return url.replace(/%\((project_id|tenant_id)\)s|\{project_id\}/g, token.projectId ?? "");
}

function withVersion(service: ServiceName, url: string, token: Token): string {
  const plain = url.replace(/\/+$/, "");
  const hasVersion = /\/v\d+(\.\d+)?(\/[^/]+)?$/.test(plain);
  switch (service) {
    case "network":
      return /\/v2\.0$/.test(plain) ? plain : `${plain}/v2.0`;
    case "image":
      return `${plain.replace(/\/v\d+(\.\d+)?$/, "")}/v2`;
    case "compute":
      return hasVersion ? plain : `${plain}/v2.1`;
    case "volume":
      return hasVersion ? plain : `${plain}/v3/${token.projectId ?? ""}`;
    default:
      return plain;
  }
}
