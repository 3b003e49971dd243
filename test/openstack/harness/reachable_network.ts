// A network of the cloud whose addresses are loopback addresses of this machine, with a real SSH server at each of
// them: so that the host keys of servers without a hypervisor can be scanned.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../../harness/ports.ts";
import { runCommand } from "../../harness/program.ts";
import type { CloudUser } from "./cloud_user.ts";

export interface ReachableNetwork {
  readonly name: string;
  /** Where the SSH servers listen at every address. */
  readonly port: number;
  /** The host key, as "type base64". */
  readonly hostKey: string;
  close(): Promise<void>;
}

/** OpenSSH listens at no more than 16 addresses. */
const ADDRESSES = Array.from({ length: 13 }, (_, index) => `127.77.16.${index + 2}`);

/** Makes one; its port must still be empty of servers when it is closed. @param folder for the key */
export async function openReachableNetwork(user: CloudUser, folder: string): Promise<ReachableNetwork> {
  const name = "reachable";
  for (const left of await user.list(
    "network",
    `/networks?name=${name}&project_id=${user.projectId}`,
    "networks",
  )) {
    await user.call("network", "DELETE", `/networks/${left.id}`);
  }
  const network = await user.make("network", "/networks", "network", { name });
  const subnet = { network_id: network.id, ip_version: 4, cidr: "127.77.16.0/28", enable_dhcp: false };
  await user.make("network", "/subnets", "subnet", subnet);
  const key = join(folder, "host_key");
  await runCommand("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  const [kind, blob] = (await readFile(`${key}.pub`, "utf8")).split(" ");
  await mkdir("/run/sshd", { recursive: true });
  const port = await freePort();
  const listen = ADDRESSES.flatMap((address) => ["-o", `ListenAddress=${address}:${port}`]);
  const options = [
    "-D",
    "-e",
    "-f",
    "/dev/null",
    "-h",
    key,
    "-o",
    "PidFile=none",
    "-o",
    "UsePAM=no",
    ...listen,
  ];
  const server: ChildProcess = spawn("/usr/sbin/sshd", options, { stdio: "ignore" });
  return {
    name,
    port,
    hostKey: `${kind} ${blob}`,
    close: async () => {
      server.kill("SIGTERM");
      await user.call("network", "DELETE", `/networks/${network.id}`);
    },
  };
}
