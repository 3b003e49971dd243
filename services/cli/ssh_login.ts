// How to log in to a node: the arguments of ssh, with the node's host keys as the only ones that count.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Node } from "../../lib/rpc/gen/nodepool/v1/node.ts";
import { CommandError } from "./host.ts";
import { stateWord } from "./output/table.ts";
import { shortName } from "./resource.ts";

/** A file of host keys that lives as long as it is needed. */
export interface KnownHosts {
  readonly file: string;
  /** False when a node has no recorded host keys, so that nothing can be checked. */
  readonly complete: boolean;
  remove(): void;
}

const HOST_KEY = /^[\w@.-]+ [A-Za-z0-9+/]+=*$/;

/** Writes the nodes' host keys to a file of their own. */
export function writeKnownHosts(nodes: readonly Node[]): KnownHosts {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-ssh-"));
  const file = join(folder, "known_hosts");
  const lines = nodes.flatMap((node) =>
    node.hostKeys.filter((key) => HOST_KEY.test(key)).map((key) => `${hostPattern(node)} ${key}\n`),
  );
  writeFileSync(file, lines.join(""), { mode: 0o600 });
  const complete = nodes.every((node) => node.hostKeys.some((key) => HOST_KEY.test(key)));
  return { file, complete, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** A host as ssh looks it up: with its port unless that is 22. */
function hostPattern({ interfaceIp, connectionPort }: Node): string {
  return connectionPort === 22 ? interfaceIp : `[${interfaceIp}]:${connectionPort}`;
}

/** The arguments of ssh for one node, without a command. `key` is a file with a private key. */
export function sshArguments(node: Node, hosts: KnownHosts | null, key: string | null): string[] {
  const checked =
    hosts === null
      ? []
      : [
          "-o",
          `UserKnownHostsFile=${hosts.file}`,
          "-o",
          "GlobalKnownHostsFile=/dev/null",
          "-o",
          `StrictHostKeyChecking=${hosts.complete ? "yes" : "accept-new"}`,
        ];
  const identity = key === null ? [] : ["-i", key, "-o", "IdentitiesOnly=yes"];
  const user = node.username === "" ? [] : ["-l", node.username];
  return [...checked, ...identity, "-p", String(node.connectionPort), ...user, "--", node.interfaceIp];
}

/** The command line for a person to copy. */
export function sshLine(node: Node, hosts: KnownHosts | null, key: string | null): string {
  const known = hosts === null ? "" : ` -o UserKnownHostsFile=${quoted(hosts.file)}`;
  const identity = key === null ? "" : ` -i ${quoted(key)}`;
  const user = node.username === "" ? "" : `${node.username}@`;
  return `ssh${known}${identity} -p ${node.connectionPort} ${quoted(`${user}${node.interfaceIp}`)}`;
}

/**
 * What ssh is given to run these words. ssh joins several with blanks and has the node's shell read the result, so they are
 * quoted to arrive as they were given; a single one is a line for that shell.
 */
export function remoteCommand(words: readonly string[]): readonly string[] {
  return words.length > 1 ? [words.map(quoted).join(" ")] : words;
}

function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Whether people log in to a node with ssh. */
export function isSshNode({ connectionType }: Node): boolean {
  return connectionType === "" || connectionType === "ssh";
}

/** Refuses a node that ssh cannot reach, or that would be no host name. @throws {CommandError} */
export function checkReachable(node: Node): void {
  const id = shortName(node.name);
  if (!isSshNode(node)) {
    throw new CommandError(`node ${id} is reached by ${node.connectionType}, not by ssh`);
  }
  if (node.interfaceIp === "") {
    throw new CommandError(`node ${id} has no address: it is in state ${stateWord(node.state)}`);
  }
  if (!/^[\w.:%-]+$/.test(node.interfaceIp) || node.interfaceIp.startsWith("-")) {
    throw new CommandError(`node ${id} has no usable address: '${node.interfaceIp}'`);
  }
}
