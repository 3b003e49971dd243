// A connection that can be cut or fall silent in one direction or both: between a client and a server, on loopback.
import type { Buffer } from "node:buffer";
import net from "node:net";

/**
 * - `pass`: everything goes through;
 * - `cut`: connections end, and new ones are refused at once;
 * - `silent`: connections stay, nothing goes through in either direction;
 * - `deaf`: the client's bytes go through, the server's do not;
 * - `mute`: the server's bytes go through, the client's do not.
 */
export type ProxyMode = "pass" | "cut" | "silent" | "deaf" | "mute";

export class TcpProxy {
  readonly host = "127.0.0.1";
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #mode: ProxyMode = "pass";
  /** Hears the first bytes that the server sends on each connection. */
  onGreeting: (bytes: Buffer) => void = () => {};

  constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
    this.#server = net.createServer((client) => this.#connect(client));
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, this.host, resolve));
  }

  /** From now on. What was held back before is lost, as on a network that drops packets for good. */
  set mode(mode: ProxyMode) {
    this.#mode = mode;
    if (mode === "cut") this.#end();
  }

  close(): Promise<void> {
    this.#end();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #end(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #connect(client: net.Socket): void {
    if (this.#mode === "cut") {
      client.destroy();
      return;
    }
    const server = net.connect(this.#target);
    server.once("data", (bytes: Buffer) => this.onGreeting(bytes));
    this.#join(client, server, () => this.#mode === "silent" || this.#mode === "mute");
    this.#join(server, client, () => this.#mode === "silent" || this.#mode === "deaf");
  }

  /** A direction that has lost bytes once must lose all that follow: what comes after a gap means something else. */
  #join(from: net.Socket, to: net.Socket, isLosing: () => boolean): void {
    let lost = false;
    this.#sockets.add(from);
    from.on("data", (chunk) => {
      lost ||= isLosing();
      if (!lost) to.write(chunk);
    });
    from.on("error", () => {});
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
