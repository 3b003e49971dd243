// The static hosts of the launcher soak: whoever listens at their port is a host that can be used.
import net from "node:net";
import { freePort } from "./ports.ts";

/** Two of them are one machine. */
const NAMES = { a: "127.0.0.2", b: "127.0.0.3", c: "127.0.0.3" };

class SoakHost {
  readonly name: string;
  readonly port: number;
  #server: net.Server | null = null;
  readonly #sockets = new Set<net.Socket>();

  constructor(name: string, port: number) {
    this.name = name;
    this.port = port;
  }

  /** Whether it can be used. */
  get isUp(): boolean {
    return this.#server !== null;
  }

  async start(): Promise<void> {
    const server = net.createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.port, this.name, resolve));
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => (server === null ? resolve() : server.close(() => resolve())));
  }
}

/** Hosts by their letter, all of them up. */
export async function startHosts(): Promise<Map<string, SoakHost>> {
  const hosts = new Map<string, SoakHost>();
  for (const [letter, name] of Object.entries(NAMES)) {
    const host = new SoakHost(name, await freePort());
    await host.start();
    hosts.set(letter, host);
  }
  return hosts;
}

export type SoakHosts = ReadonlyMap<string, SoakHost>;
