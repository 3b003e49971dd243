import assert from "node:assert/strict";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { KEY_KINDS, type ServerKey, SshServers } from "../../test/harness/sshd.ts";
import { type Clock, systemClock } from "../std/clock.ts";
import { HOST_KEY_TYPES, type HostKeyType } from "../std/host_key.ts";
import { scanHostKeys } from "./key_scan.ts";

/** On which time is longer by twenty: no connection is tried anew because this machine has much else to do. */
const patient: Clock = {
  ...systemClock,
  after: (milliseconds, callback) => systemClock.after(20 * milliseconds, callback),
};

/** Lets nobody through to a server until so many connections are open at once; then all, and whoever comes later. */
async function startGate(target: number, width: number) {
  const sockets = new Set<Socket>();
  const waiting: Socket[] = [];
  let connections = 0;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  };
  const letThrough = (client: Socket) => {
    const server = connect(target, "127.0.0.1");
    keep(server);
    client.pipe(server).pipe(client);
    client.on("close", () => server.destroy());
    server.on("close", () => client.destroy());
  };
  const listener = createServer((client) => {
    keep(client);
    connections += 1;
    client.on("close", () => {
      if (waiting.includes(client)) waiting.splice(waiting.indexOf(client), 1);
    });
    waiting.push(client);
    if (waiting.length === width || connections > width) for (const one of waiting.splice(0)) letThrough(one);
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return {
    port: (listener.address() as AddressInfo).port,
    connections: () => connections,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

describe("a scan of host keys", () => {
  let servers: SshServers;
  let port: number;
  const keys = new Map<string, ServerKey>();

  before(async () => {
    servers = await SshServers.open();
    for (const kind of KEY_KINDS) {
      const key = await servers.key(kind);
      keys.set(key.line.split(" ", 1)[0] ?? "", key);
    }
    port = (await servers.start([...keys.values()])).port;
  });
  after(() => servers.close());

  const choices: readonly (readonly HostKeyType[])[] = [
    HOST_KEY_TYPES,
    ["ecdsa-sha2-nistp384", "ssh-rsa"],
    ["ssh-ed25519"],
  ];
  for (const types of choices) {
    test(`for ${types.join(", ")} has one connection for each, all open at once, and no other`, async () => {
      const gate = await startGate(port, types.length);
      try {
        // Those who come one after the other wait for ever.
        const signal = AbortSignal.timeout(60_000);
        const options = { host: "127.0.0.1", port: gate.port, timeoutMs: 60_000, signal, clock: patient };
        const found = await scanHostKeys({ ...options, types });
        assert.deepEqual(found.sort(), types.map((type) => keys.get(type)?.line).sort());
        assert.equal(gate.connections(), types.length);
      } finally {
        await gate.close();
      }
    });
  }
});
