// Ports of this machine's loopback.
import { type AddressInfo, connect, createServer } from "node:net";

/** A port that nobody listens on just now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** Whether an SSH server greets on the port of loopback within the time, in milliseconds. */
export function greets(port: number, milliseconds: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, timeout: milliseconds });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("data", (data) => settle(data.toString("latin1").startsWith("SSH-")));
    socket.once("timeout", () => settle(false));
    socket.once("error", () => settle(false));
    socket.once("end", () => settle(false));
  });
}
