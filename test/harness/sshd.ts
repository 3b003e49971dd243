// Debian's OpenSSH server on loopback, as hosts for tests: with the keys that a test wants, and with what can go wrong.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { until } from "./launcher.ts";
import { freePort } from "./ports.ts";

const run = promisify(execFile);

/** What ssh-keygen is told for each kind of key. */
const KINDS = {
  ed25519: ["-t", "ed25519"],
  ecdsa256: ["-t", "ecdsa", "-b", "256"],
  ecdsa384: ["-t", "ecdsa", "-b", "384"],
  ecdsa521: ["-t", "ecdsa", "-b", "521"],
  rsa: ["-t", "rsa", "-b", "2048"],
} as const;

export type KeyKind = keyof typeof KINDS;
export const KEY_KINDS = Object.keys(KINDS) as KeyKind[];

/** A key that servers may have. */
export interface ServerKey {
  readonly file: string;
  /** "type base64". */
  readonly line: string;
}

/** A server that runs; or hangs: takes connections and says nothing. */
export interface SshServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Servers and keys of one test file; everything goes with {@link close}. */
export class SshServers {
  readonly #directory: string;
  readonly #running = new Set<SshServer>();
  #keys = 0;

  static async open(): Promise<SshServers> {
    // Where sshd, as root, wants an empty folder of its own.
    await mkdir("/run/sshd", { recursive: true }).catch(() => {});
    return new SshServers(await mkdtemp(join(tmpdir(), "nodepool-sshd-")));
  }

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Makes a key. */
  async key(kind: KeyKind = "ed25519"): Promise<ServerKey> {
    this.#keys += 1;
    const file = join(this.#directory, `key${this.#keys}`);
    await run("ssh-keygen", ["-q", ...KINDS[kind], "-N", "", "-f", file]);
    const [type, blob] = (await readFile(`${file}.pub`, "utf8")).split(" ");
    return { file, line: `${type} ${blob}` };
  }

  /** Starts a server with these keys; resolves when it answers. It takes at most 16 addresses. */
  async start(keys: readonly ServerKey[], port?: number, addresses = ["127.0.0.1"]): Promise<SshServer> {
    const own = port ?? (await freePort());
    const listen = addresses.flatMap((address) => ["-o", `ListenAddress=${address}:${own}`]);
    const options = ["PidFile=none", "UsePAM=no", "MaxStartups=1000:30:2000"].flatMap((one) => ["-o", one]);
    const words = [
      "-D",
      "-e",
      "-f",
      "/dev/null",
      ...listen,
      ...options,
      ...keys.flatMap(({ file }) => ["-h", file]),
    ];
    const child = spawn("/usr/sbin/sshd", words, { stdio: "ignore" });
    const server = this.#keep(own, () => endOf(child));
    const [first = "127.0.0.1"] = addresses;
    await until(`sshd on port ${own}`, () => answers(first, own), 60_000);
    return server;
  }

  /** A server that takes connections and never says a word. */
  async startHanging(port = 0): Promise<SshServer> {
    const sockets = new Set<Socket>();
    const listener = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
    });
    await new Promise<void>((resolve) => listener.listen(port, "127.0.0.1", resolve));
    return this.#keep(portOf(listener), async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    });
  }

  #keep(port: number, end: () => Promise<void>): SshServer {
    const server = {
      port,
      stop: async () => {
        if (this.#running.delete(server)) await end();
      },
    };
    this.#running.add(server);
    return server;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running].map((server) => server.stop()));
    await rm(this.#directory, { recursive: true });
  }
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}

function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGTERM");
  });
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    const settle = (value: boolean) => {
      socket.destroy();
      resolve(value);
    };
    socket.once("data", () => settle(true));
    socket.once("error", () => settle(false));
    socket.once("close", () => settle(false));
  });
}
