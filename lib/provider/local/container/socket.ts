// Where this machine may have a Docker API socket.
import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { SYSTEM_SOCKETS } from "../../../host/catalogue.ts";
import { messageOf } from "../../../std/errors.ts";
import { DockerApi } from "./docker_api.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The places to look at, best first. */
export function socketPlaces(env: Environment): string[] {
  const runtime = env.XDG_RUNTIME_DIR;
  const named = /^unix:\/\/(\/.+)$/.exec(env.DOCKER_HOST ?? "")?.[1];
  const places = [
    ...(named === undefined ? [] : [named]),
    ...SYSTEM_SOCKETS,
    ...(runtime === undefined ? [] : [join(runtime, "docker.sock"), join(runtime, "podman/podman.sock")]),
    join(homedir(), ".docker/run/docker.sock"),
  ];
  return [...new Set(places)];
}

/** An engine that answers. */
export interface AnsweringSocket {
  readonly api: DockerApi;
  /** As "podman 4.3.1, runc". */
  readonly engine: string;
  /** As Go names it: amd64, arm64. */
  readonly architecture: string;
}

/** How long an engine may take to say who it is, in milliseconds, where others may be asked in its place. */
const PATIENCE_MS = 5000;
/** The same where there is no other: a busy machine's may take a while. */
const ONLY_PATIENCE_MS = 30_000;

/** Asks an engine who it is, or says why it does not answer. @param isOnly whether no other may be asked */
export async function askSocket(
  path: string,
  signal: AbortSignal,
  isOnly = false,
): Promise<AnsweringSocket | string> {
  try {
    if (!(await stat(path)).isSocket()) return "is no socket";
  } catch {
    return "does not exist";
  }
  const api = new DockerApi(path);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(isOnly ? ONLY_PATIENCE_MS : PATIENCE_MS)]);
  try {
    const version = await api.call(limit, async (docker) => {
      await docker.ping();
      return docker.version();
    });
    const components = componentsOf(version);
    const podman = components.find(({ Name }) => /podman/i.test(Name ?? ""));
    const name =
      podman === undefined ? `docker ${version.Version}` : `podman ${podman.Version ?? version.Version}`;
    return { api, engine: `${name}${runtimeOf(components)}`, architecture: version.Arch };
  } catch (error) {
    signal.throwIfAborted();
    return `does not answer: ${messageOf(error)}`;
  }
}

interface Component {
  readonly Name?: string;
  readonly Version?: string;
}

/** Podman has "OCI Runtime (crun)", Docker a component of the runtime's own name. */
function runtimeOf(components: readonly Component[]): string {
  for (const { Name = "" } of components) {
    const runtime = /^(?:OCI Runtime \()?(runc|crun)\)?$/.exec(Name)?.[1];
    if (runtime !== undefined) return `, ${runtime}`;
  }
  return "";
}

function componentsOf(version: object): readonly Component[] {
  return "Components" in version && Array.isArray(version.Components) ? version.Components : [];
}

/** Whether any engine answers at one of the usual places. */
export async function hasSocket(env: Environment, signal: AbortSignal): Promise<boolean> {
  for (const place of socketPlaces(env)) {
    if (await answers(place, signal)) return true;
  }
  return false;
}

/**
 * Whether an engine answers at all. To say who it is takes Podman longer: it asks the system's package manager whose file
 * each of its programs is, for seconds where the machine is busy.
 */
export async function answers(path: string, signal: AbortSignal): Promise<boolean> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
  try {
    await new DockerApi(path).call(limit, (docker) => docker.ping());
    return true;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
