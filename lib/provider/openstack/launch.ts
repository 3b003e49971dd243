// Makes one server: safe to repeat, because Nova has no token for that. Name and metadata go with the server, and a list
// comes before each create; a create whose answer was lost is looked up.

import type { Cloud } from "../../config/clouds/cloud.ts";
import { type Clock, elapsed } from "../../std/clock.ts";
import { deadline } from "../../std/deadline.ts";
import { messageOf } from "../../std/errors.ts";
import type { Logger } from "../../std/logger.ts";
import {
  type InstanceSpec,
  METADATA,
  type Metadata,
  NameTakenError,
  ProviderError,
  QuotaError,
} from "../contract.ts";
import { formatString } from "../format_string.ts";
import { findPublicIpv4 } from "./addresses.ts";
import type { CloudFacts } from "./cloud_facts.ts";
import type { Compute, Server } from "./compute.ts";
import { ApiError, asLaunchError, isQuotaMessage, mayHaveWorked } from "./errors.ts";
import type { FloatingIps } from "./floating_ips.ts";
import type { FloatingIp } from "./network.ts";
import type { ServerList, Servers } from "./server_list.ts";
import type { LabelSettings } from "./settings.ts";

/** What a launch needs. */
export interface LaunchTools {
  readonly provider: string;
  readonly cloud: Cloud;
  readonly compute: Compute;
  readonly servers: ServerList;
  readonly facts: CloudFacts;
  readonly floatingIps: FloatingIps;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Pauses between looks for a server whose create was not answered, in milliseconds. */
const LOOKS_MS = [500, 2000, 5000];
/** How long an active server may be without an address. */
const ADDRESS_MS = 60_000;
/** Nova's limit on a value of the metadata. */
const LONGEST_VALUE = 255;
const CLEAN_UP_MS = 60_000;

export class Launches {
  readonly #tools: LaunchTools;
  /** Creates by name: two of one name go one after the other, so that the second finds what the first has made. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(tools: LaunchTools) {
    this.#tools = tools;
  }

  /** Makes the server, or finds that of an earlier call; its id. */
  async begin(spec: InstanceSpec, label: LabelSettings, signal: AbortSignal): Promise<string> {
    const before = this.#turns.get(spec.name);
    const turn = (async () => {
      await before?.catch(() => undefined);
      return await this.#begin(spec, label, signal);
    })();
    this.#turns.set(spec.name, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(spec.name) === turn) this.#turns.delete(spec.name);
    }
  }

  /** Waits until the server runs and has its addresses. @throws {QuotaError} {@link ProviderError} */
  async finish(
    id: string,
    spec: InstanceSpec,
    label: LabelSettings,
    signal: AbortSignal,
  ): Promise<{ readonly server: Server; readonly floatingIp: FloatingIp | null }> {
    const server = await this.#awaitActive(id, spec, signal);
    const { cloud, facts, floatingIps } = this.#tools;
    const isReachable = findPublicIpv4(server, { cloud, networks: facts.networks }) !== null;
    const needsFloatingIp = label.autoFloatingIp && !isReachable;
    const floatingIp = needsFloatingIp ? await floatingIps.attach(server, facts.networks, signal) : null;
    return { server, floatingIp };
  }

  async #begin(spec: InstanceSpec, label: LabelSettings, signal: AbortSignal): Promise<string> {
    const { compute, facts, servers } = this.#tools;
    const there = this.#find(await servers.fresh(signal), spec);
    if (there !== null) return there.id;
    await facts.refresh(signal);
    const az = facts.zoneFor(label, spec.az);
    try {
      const { flavor, networkIds } = facts.plan(label);
      const imageId =
        label.cloudImage === null ? spec.imageExternalId : await facts.imageId(label.cloudImage, signal);
      const wish = {
        name: spec.name,
        flavorId: flavor.id,
        imageId,
        volumeSize: label.volumeSize,
        networkIds,
        securityGroups: label.securityGroups,
        keyName: label.keyName,
        az,
        configDrive: label.configDrive,
        userData: label.userData,
        metadata: this.#metadata(spec, label),
      };
      return await compute.create(wish, signal);
    } catch (error) {
      if (mayHaveWorked(error)) {
        const made = await this.#lookFor(spec, signal);
        if (made !== null) return made.id;
      }
      if (error instanceof ProviderError && !(error instanceof ApiError && error.status !== 400))
        facts.doubt();
      throw asLaunchError(error, label.label, label.zones.includes(az ?? "") ? null : az);
    }
  }

  /** The server of this launch. @throws {ProviderError} when another launch of the node has one */
  #find(servers: Servers, spec: InstanceSpec): Server | null {
    // The recorded one counts before a double, and also while Nova cannot tell its name: its host may be down.
    const recorded = servers.get(spec.externalId ?? "");
    const isRecorded = recorded !== undefined && ["", spec.name].includes(recorded.name);
    if (isRecorded && !isGone(recorded.status)) return recorded;
    const ours = [...servers.values()].filter(
      ({ name, metadata, status }) =>
        name === spec.name && metadata[METADATA.provider] === this.#tools.provider && !isGone(status),
    );
    const token = spec.metadata[METADATA.launchToken];
    const [own] = ours.filter(({ metadata }) => metadata[METADATA.launchToken] === token);
    const [other] = ours;
    if (own !== undefined || other === undefined) return own ?? null;
    throw new NameTakenError(
      `server ${other.id} has the name ${spec.name} and is of another launch (${other.metadata[METADATA.launchToken] ?? "without a token"}); it has to go first`,
    );
  }

  async #lookFor(spec: InstanceSpec, signal: AbortSignal): Promise<Server | null> {
    const { clock, logger, servers } = this.#tools;
    for (const pause of LOOKS_MS) {
      await clock.sleep(pause, signal);
      const found = this.#find(await servers.fresh(signal), spec);
      if (found === null) continue;
      logger.info("found the server of a create that was not answered", {
        name: spec.name,
        external: found.id,
      });
      return found;
    }
    return null;
  }

  #metadata(spec: InstanceSpec, label: LabelSettings): Metadata {
    const { logger } = this.#tools;
    const properties: Record<string, string> = { ...label.properties };
    const request = spec.request?.fields;
    for (const [key, pattern] of Object.entries(label.dynamicProperties)) {
      if (request === undefined) continue;
      try {
        properties[key] = formatString(pattern, { request });
      } catch (error) {
        const fields = { label: label.label, key, error: messageOf(error) };
        logger.warn("a dynamic-instance-property cannot be filled in and is left out", fields);
      }
    }
    // What names the node comes last: no property may take its place.
    const all = Object.entries({ ...properties, ...spec.metadata });
    for (const [key, value] of all) {
      if (value.length <= LONGEST_VALUE) continue;
      logger.warn("a property is longer than Nova takes and is left out", { label: label.label, key });
    }
    return Object.fromEntries(all.filter(([, value]) => value.length <= LONGEST_VALUE));
  }

  async #awaitActive(id: string, spec: InstanceSpec, signal: AbortSignal): Promise<Server> {
    const { clock, compute, servers } = this.#tools;
    let activeSince: number | null = null;
    let wasThere = false;
    const look = (list: Servers): Server | "absent" | undefined => {
      const server = list.get(id);
      if (server === undefined) return wasThere ? "absent" : undefined;
      wasThere = true;
      if (server.status === "ERROR" || isGone(server.status)) return server;
      if (server.status !== "ACTIVE" || server.taskState !== null) return undefined;
      activeSince ??= elapsed(clock);
      const isLate = elapsed(clock) - activeSince > ADDRESS_MS;
      return server.addresses.length > 0 || isLate ? server : undefined;
    };
    for (;;) {
      const outcome = await servers.until(look, signal);
      const server = outcome === "absent" ? await compute.server(id, signal) : outcome;
      if (server?.status === "ACTIVE" && server.addresses.length > 0) return server;
      // A list may lack one that is there: of a part of the cloud that could not be asked just then.
      const isComing = outcome === "absent" && (server?.status === "BUILD" || server?.status === "UNKNOWN");
      if (!isComing) throw await this.#failure(id, server, spec);
    }
  }

  /** Why the server does not run. One that a quota has stopped is deleted: nothing was launched. */
  async #failure(id: string, server: Server | null, spec: InstanceSpec): Promise<ProviderError> {
    const late = () => new ProviderError(`no answer in ${CLEAN_UP_MS / 1000} s`);
    const { signal, stop } = deadline(this.#tools.clock, CLEAN_UP_MS, late, []);
    return await this.#failureWithin(signal, id, server, spec).finally(stop);
  }

  async #failureWithin(
    limit: AbortSignal,
    id: string,
    server: Server | null,
    spec: InstanceSpec,
  ): Promise<ProviderError> {
    const { compute, logger, servers } = this.#tools;
    const name = `server ${id} of ${spec.name}`;
    if (server === null || isGone(server.status)) return new ProviderError(`${name} has vanished`);
    if (server.status === "ACTIVE") {
      return new ProviderError(
        `${name} is active, but has no address after ${ADDRESS_MS / 1000} s: look at its network`,
      );
    }
    // Of a server that no host took the list has no fault: it is not in the cell that lists are made of.
    const whole = server.fault === null ? await compute.server(id, limit).catch(() => null) : server;
    const fault = whole?.fault ?? "Nova does not say why";
    const message = `${name} is in state ${server.status}: ${fault.trim()}`;
    if (!isQuotaMessage(fault)) return new ProviderError(message);
    try {
      await compute.delete(id, limit);
      await servers.until((list) => (list.has(id) ? undefined : true), limit);
    } catch (error) {
      // It goes with its node, which the launcher deletes.
      logger.warn("a server that a quota has stopped is still there", {
        server: name,
        error: messageOf(error),
      });
    }
    return new QuotaError(message);
  }
}

/** Whether a status says that the server is as good as not there. */
export function isGone(status: string): boolean {
  return status === "DELETED" || status === "SOFT_DELETED";
}
