// What a container says of its node: it carries everything that we know of it, in its labels.
import type { ContainerInfo } from "dockerode";
import { type Instance, METADATA, type Resources } from "../../contract.ts";
import type { LocalInstanceSpec } from "../engine.ts";
import { OWNER_LABEL, RECORD_LABEL } from "./images.ts";

const NAME_LABEL = "nodepool_instance";
const PORT_LABEL = "nodepool_port";
const RESOURCES_LABEL = "nodepool_resources";
/** Not metadata: our own words, and what a container inherits of its image. */
const OURS: ReadonlySet<string> = new Set([
  OWNER_LABEL,
  RECORD_LABEL,
  NAME_LABEL,
  PORT_LABEL,
  RESOURCES_LABEL,
]);

interface Labelled {
  readonly Labels: Readonly<Record<string, string>>;
}

/** The labels of a new node's container. */
export function labelsOf(spec: LocalInstanceSpec, port: number): Record<string, string> {
  return {
    ...spec.metadata,
    [NAME_LABEL]: spec.name,
    [PORT_LABEL]: `${port}`,
    [RESOURCES_LABEL]: JSON.stringify(spec.resources),
  };
}

/**
 * Whether a container is a node of an installation. A container that somebody makes from one of its images has the image's
 * labels, and is none.
 */
export function isNodeOf(owner: string, { Labels }: Labelled): boolean {
  return Labels?.[OWNER_LABEL] === owner && NAME_LABEL in Labels;
}

/** The node's name. */
export function nameOf({ Labels }: Labelled): string {
  return Labels[NAME_LABEL] ?? "";
}

/** The port of this machine that leads to the node. */
export function portOf({ Labels }: Labelled): number {
  return Number(Labels[PORT_LABEL]);
}

/** A container as the node that it is. */
export function instanceOf(info: ContainerInfo, isolation: string): Instance {
  const resources: Resources = JSON.parse(info.Labels[RESOURCES_LABEL] ?? "{}");
  const metadata = Object.fromEntries(Object.entries(info.Labels).filter(([key]) => !OURS.has(key)));
  const state = stateOf(info);
  return {
    externalId: info.Id,
    name: nameOf(info),
    state,
    ...(state === "running" || state === "building" ? {} : { fault: info.Status }),
    metadata,
    interfaceIp: "127.0.0.1",
    publicIpv4: "127.0.0.1",
    privateIpv4: "127.0.0.1",
    publicIpv6: null,
    connectionPort: portOf(info),
    region: null,
    az: null,
    hostId: null,
    resources,
    attributes: { engine: "container", isolation, image: metadata[METADATA.image] ?? info.ImageID },
  };
}

/** A container that this provider has not made: what leads to it is not ours to know. */
export function foreignOf(info: ContainerInfo, isolation: string): Instance {
  const name = (info.Names[0] ?? info.Id).replace(/^\//, "");
  // Whatever it says under our own words may be anything.
  const Labels = { ...info.Labels, [NAME_LABEL]: name, [RESOURCES_LABEL]: "{}" };
  const unknown = { interfaceIp: null, publicIpv4: null, privateIpv4: null, connectionPort: null };
  return { ...instanceOf({ ...info, Labels }, isolation), ...unknown };
}

const BUILDING: ReadonlySet<string> = new Set(["created", "configured", "initialized", "restarting"]);

function stateOf({ State }: ContainerInfo): Instance["state"] {
  if (State === "running") return "running";
  if (BUILDING.has(State)) return "building";
  return State === "dead" || State === "removing" ? "failed" : "stopped";
}
