// A server as an instance of the provider contract. Pure.
import type { Cloud } from "../../config/clouds/cloud.ts";
import type { Instance, Resources } from "../contract.ts";
import { chooseAddresses } from "./addresses.ts";
import type { CloudFacts } from "./cloud_facts.ts";
import type { Server, ServerAddress } from "./compute.ts";

const STATES: Readonly<Record<string, Instance["state"]>> = {
  ACTIVE: "running",
  BUILD: "building",
  REBUILD: "building",
  // What Nova cannot ask about just now runs on.
  UNKNOWN: "running",
  PASSWORD: "running",
  REBOOT: "running",
  HARD_REBOOT: "running",
  MIGRATING: "running",
  RESIZE: "running",
  VERIFY_RESIZE: "running",
  ERROR: "failed",
};

/** @param floatingIp an address that was just attached, which Nova may not have heard of */
export function readInstance(
  server: Server,
  floatingIp: string | null,
  context: {
    readonly cloud: Cloud;
    readonly facts: Pick<CloudFacts, "networks" | "flavor">;
    readonly hasIpv6: boolean;
  },
): Instance {
  const { cloud, facts, hasIpv6 } = context;
  const attached: readonly ServerAddress[] =
    floatingIp === null ? [] : [{ network: "", address: floatingIp, version: 4, isFloating: true }];
  const addresses = [...server.addresses, ...attached];
  const chosen = chooseAddresses({ ...server, addresses }, { cloud, networks: facts.networks, hasIpv6 });
  const isBeingDeleted = server.taskState === "deleting";
  return {
    externalId: server.id,
    name: server.name,
    state: STATES[server.status] ?? "stopped",
    ...(server.fault === null && !isBeingDeleted ? {} : { fault: server.fault ?? "it is being deleted" }),
    metadata: server.metadata,
    ...chosen,
    connectionPort: null,
    cloud: cloud.name,
    region: cloud.region,
    az: server.az,
    hostId: server.hostId,
    resources: resourcesOf(server, facts),
    attributes: {},
  };
}

function resourcesOf(server: Server, facts: Pick<CloudFacts, "flavor">): Resources {
  const { flavor, volumes } = server;
  // An old Nova names the flavor and does not tell its size.
  const size = flavor !== null && flavor.ram === 0 ? facts.flavor(flavor.id) : flavor;
  return {
    instances: 1,
    ...(size === null || size === undefined ? {} : { cores: size.cores, ram: size.ram }),
    ...(volumes === 0 ? {} : { volumes }),
  };
}
