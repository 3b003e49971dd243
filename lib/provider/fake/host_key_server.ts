// An SSH server that lets nobody in: it is there so that host keys can be read.
import { type AddressInfo, createServer, type Socket } from "node:net";
import ssh2 from "ssh2";
import { generateSshKey } from "../ssh_keys.ts";

/** A server that listens on 127.0.0.1. */
export interface HostKeyServer {
  readonly port: number;
  /** Ends every connection. */
  close(): Promise<void>;
}

/** Starts it with a new host key. */
export async function startHostKeyServer(): Promise<HostKeyServer> {
  const { privateKey } = await generateSshKey("ed25519");
  const sockets = new Set<Socket>();
  const ssh = new ssh2.Server({ hostKeys: [privateKey], ident: "fake" }, (client) => {
    client.on("error", () => {});
    client.on("authentication", (context) => context.reject());
  });
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    ssh.injectSocket(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
