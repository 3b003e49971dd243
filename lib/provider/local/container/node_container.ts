// What the container of a node is made of.
import type { ContainerCreateOptions, HostConfig } from "dockerode";
import type { Resources } from "../../contract.ts";

/** What an engine needs to be told before it can start a container on this machine; found by trying. */
export interface Tweaks {
  /** No process of the engine's as the container's first one: the image's own is. */
  readonly noInit: boolean;
  /** Limits on open files and processes said in so many words: the engine may not raise those that it inherits. */
  readonly ulimits: boolean;
  /** The runtime runc: the default one does not work here. */
  readonly runc: boolean;
  /** No limits on cores, memory and processes: this machine's control groups do not take them. */
  readonly noLimits: boolean;
}

/** No tweaks, then each, then combinations of ever more. */
export function tweaksToTry(): Tweaks[] {
  const all: Tweaks[] = [];
  for (let bits = 0; bits < 16; bits += 1) {
    const has = (bit: number) => (bits & bit) !== 0;
    all.push({ ulimits: has(1), runc: has(2), noInit: has(4), noLimits: has(8) });
  }
  const count = (tweaks: Tweaks) => Object.values(tweaks).filter(Boolean).length;
  return all.sort((left, right) => count(left) - count(right));
}

/** The port of the image's SSH server. */
const SSH_PORT = "22/tcp";
const PROCESSES = 8192;

/**
 * Starts the image's SSH server in the foreground: the image's own way of doing so, or OpenSSH with new host keys.
 */
const START_SSH = `
if [ -x /usr/local/bin/nodepool-node-init ]; then exec /usr/local/bin/nodepool-node-init; fi
if [ -x /usr/sbin/sshd ]; then mkdir -p /run/sshd && ssh-keygen -A && exec /usr/sbin/sshd -D -e; fi
echo "the image has neither /usr/local/bin/nodepool-node-init nor /usr/sbin/sshd" >&2
exit 127
`;

/** A container to create. */
export interface NodeContainer {
  readonly image: string;
  readonly hostname: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly resources: Resources;
  /** The port of this machine's loopback that leads to the SSH server. */
  readonly port: number;
  /** @default the image's SSH server */
  readonly command?: readonly string[];
}

/** The container as the Docker API wants it. */
export function containerOptions(container: NodeContainer, tweaks: Tweaks): ContainerCreateOptions {
  return {
    Image: container.image,
    Hostname: container.hostname,
    Cmd: [...(container.command ?? ["/bin/sh", "-c", START_SSH])],
    Labels: { ...container.labels },
    ExposedPorts: { [SSH_PORT]: {} },
    HostConfig: {
      PortBindings: { [SSH_PORT]: [{ HostIp: "127.0.0.1", HostPort: `${container.port}` }] },
      RestartPolicy: { Name: "no" },
      Privileged: false,
      Init: !tweaks.noInit,
      ...(tweaks.noLimits ? {} : limitsOf(container.resources)),
      ...(tweaks.ulimits ? { Ulimits: inheritableLimits() } : {}),
      ...(tweaks.runc ? { Runtime: "runc" } : {}),
    },
  };
}

function limitsOf({ cores, ram }: Resources): HostConfig {
  const bytes = ram === undefined ? undefined : ram * 1024 * 1024;
  return {
    PidsLimit: PROCESSES,
    ...(cores === undefined ? {} : { NanoCpus: cores * 1e9 }),
    ...(bytes === undefined ? {} : { Memory: bytes }),
  };
}

function inheritableLimits(): NonNullable<HostConfig["Ulimits"]> {
  const limit = (Name: string, value: number) => ({ Name, Soft: value, Hard: value });
  return [limit("nofile", 4096), limit("nproc", PROCESSES)];
}
