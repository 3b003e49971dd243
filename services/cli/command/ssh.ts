// nodepool ssh
import { runChild } from "../child.ts";
import type { Command } from "../context.ts";
import { CommandError } from "../host.ts";
import { identityOf } from "../identity.ts";
import { nodeName, shortName } from "../resource.ts";
import { checkReachable, remoteCommand, sshArguments, writeKnownHosts } from "../ssh_login.ts";

export const run: Command = async ({ host, trailing, clients }, [id = ""], { identity }) => {
  const { nodes } = await clients();
  const { node } = await nodes.getNode({ name: nodeName(id) });
  if (node === undefined) throw new CommandError(`there is no node '${id}'`);
  checkReachable(node);
  const hosts = writeKnownHosts([node]);
  try {
    if (!hosts.complete) {
      host.stderr.write(`node ${shortName(node.name)} has no recorded host keys: its key is not checked\n`);
    }
    const args = sshArguments(node, hosts, identityOf(host, identity));
    return await runChild(host, "ssh", [...args, ...remoteCommand(trailing ?? [])]);
  } finally {
    hosts.remove();
  }
};
