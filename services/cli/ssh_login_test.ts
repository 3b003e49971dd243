import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { Node } from "../../lib/rpc/gen/nodepool/v1/node.ts";
import { checkReachable, sshArguments, sshLine, writeKnownHosts } from "./ssh_login.ts";

const node = Node.fromPartial({
  name: "nodes/0000000003",
  state: "STATE_READY",
  interfaceIp: "127.0.0.1",
  connectionPort: 40022,
  username: "zuul",
  hostKeys: ["ssh-ed25519 AAAAC3Nza", "ecdsa-sha2-nistp256 AAAAE2Vj=="],
});

test("the host keys are written as ssh looks them up, with the port unless it is 22", () => {
  const plain = Node.fromPartial({ ...node, interfaceIp: "2001:db8::1", connectionPort: 22 });
  const hosts = writeKnownHosts([node, plain]);
  assert.equal(
    readFileSync(hosts.file, "utf8"),
    `[127.0.0.1]:40022 ssh-ed25519 AAAAC3Nza
[127.0.0.1]:40022 ecdsa-sha2-nistp256 AAAAE2Vj==
2001:db8::1 ssh-ed25519 AAAAC3Nza
2001:db8::1 ecdsa-sha2-nistp256 AAAAE2Vj==
`,
  );
  assert.equal(hosts.complete, true);
  hosts.remove();
  assert.equal(existsSync(hosts.file), false);
});

test("a key that is none is not written, and a node without keys cannot be checked", () => {
  const odd = Node.fromPartial({ ...node, hostKeys: ["ssh-rsa AAAA\n@cert-authority * ssh-rsa BBBB"] });
  const hosts = writeKnownHosts([odd]);
  assert.equal(readFileSync(hosts.file, "utf8"), "");
  assert.equal(hosts.complete, false);
  assert.ok(sshArguments(odd, hosts, null).includes("StrictHostKeyChecking=accept-new"));
  hosts.remove();
});

test("ssh checks these keys alone, and takes the node's user and port", () => {
  const hosts = { file: "/tmp/x/known_hosts", complete: true, remove: () => {} };
  assert.deepEqual(sshArguments(node, hosts, "/home/me/key"), [
    "-o",
    "UserKnownHostsFile=/tmp/x/known_hosts",
    "-o",
    "GlobalKnownHostsFile=/dev/null",
    "-o",
    "StrictHostKeyChecking=yes",
    "-i",
    "/home/me/key",
    "-o",
    "IdentitiesOnly=yes",
    "-p",
    "40022",
    "-l",
    "zuul",
    "--",
    "127.0.0.1",
  ]);
  assert.equal(
    sshLine(node, hosts, "/home/my key"),
    "ssh -o UserKnownHostsFile=/tmp/x/known_hosts -i '/home/my key' -p 40022 zuul@127.0.0.1",
  );
  assert.equal(sshLine(node, null, null), "ssh -p 40022 zuul@127.0.0.1");
  const odd = Node.fromPartial({ ...node, username: "zuul; reboot #" });
  assert.equal(sshLine(odd, null, null), "ssh -p 40022 'zuul; reboot #@127.0.0.1'");
});

test("a node that ssh cannot reach is refused in one sentence", () => {
  const cases: [Partial<Node>, RegExp][] = [
    [{ connectionType: "winrm" }, /node 0000000003 is reached by winrm, not by ssh/],
    [{ interfaceIp: "", state: "STATE_BUILDING" }, /has no address: it is in state building/],
    [{ interfaceIp: "-oProxyCommand=x" }, /has no usable address/],
  ];
  for (const [change, message] of cases) {
    assert.throws(() => checkReachable(Node.fromPartial({ ...node, ...change })), message);
  }
});
