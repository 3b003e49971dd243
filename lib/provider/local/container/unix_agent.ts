// HTTP connections to a Unix socket. On Deno (2.9.3) those of `node:net` close their file descriptor twice, and what
// another thread has opened in between goes with it: Deno may end with a panic then. Deno's own close theirs once.
import { Buffer } from "node:buffer";
import { Agent } from "node:http";
import { Duplex } from "node:stream";

/** What is used of Deno here. */
interface Runtime {
  connect(place: { readonly transport: "unix"; readonly path: string }): Promise<Connection>;
}

interface Connection {
  /** Gives how many bytes there were; null at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** Gives how many bytes were taken. */
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
}

/** An agent for requests with a `socketPath`, each on a connection of its own. */
export function unixAgent(): Agent {
  const { Deno: runtime } = globalThis as { readonly Deno?: Runtime };
  return runtime === undefined ? new Agent({ keepAlive: false }) : new DenoAgent(runtime);
}

class DenoAgent extends Agent {
  readonly #runtime: Runtime;

  constructor(runtime: Runtime) {
    super({ keepAlive: false });
    this.#runtime = runtime;
  }

  override createConnection({ socketPath = "" }: { readonly socketPath?: string }): Duplex {
    return new DenoSocket(() => this.#runtime.connect({ transport: "unix", path: socketPath }));
  }
}

const READ_BYTES = 64 * 1024;

/** A connection as HTTP takes it. */
class DenoSocket extends Duplex {
  readonly #connect: () => Promise<Connection>;
  #connection: Connection | null = null;

  constructor(connect: () => Promise<Connection>) {
    // As a socket of `node:net` does it: when the other side has ended, so does this one.
    super({ allowHalfOpen: false });
    this.#connect = connect;
  }

  /** HTTP asks for this when it has its answer. */
  destroySoon(): void {
    this.end(() => this.destroy());
  }

  override _construct(callback: (error?: Error | null) => void): void {
    const connected = (connection: Connection) => {
      this.#connection = connection;
      callback();
    };
    this.#connect().then(connected, callback);
  }

  override _read(): void {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const arrived = (bytes: number | null | undefined) => this.push(bytes ? buffer.subarray(0, bytes) : null);
    Promise.resolve(this.#connection?.read(buffer)).then(arrived, (error) => this.destroy(error));
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error | null) => void): void {
    this.#writeAll(chunk).then(() => callback(), callback);
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0 && this.#connection !== null; ) {
      rest = rest.subarray(await this.#connection.write(rest));
    }
  }

  override _final(callback: (error?: Error | null) => void): void {
    Promise.resolve(this.#connection?.closeWrite()).then(() => callback(), callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const connection = this.#connection;
    this.#connection = null;
    connection?.close();
    callback(error);
  }
}
