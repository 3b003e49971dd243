// Real ZooKeeper servers (Debian's package `zookeeper`) for tests: each on free loopback ports with its own directory.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { REAP_INTERVAL_MS } from "../../lib/zookeeper/contract/fixture.ts";
import { takeOverAndClose } from "../../lib/zookeeper/contract/raw_session.ts";
import type { Credentials } from "../../lib/zookeeper/handshake.ts";
import type { Certificate } from "./certificates.ts";
import { until } from "./launcher.ts";
import { freePort } from "./ports.ts";
import { stopProcess } from "./stop_process.ts";

const JAR = "/usr/share/java/zookeeper.jar";
/** With a logger and Netty's codecs, which the package's class path lacks. */
const CLASS_PATH = [
  JAR,
  ...["slf4j-simple", "netty-codec", "netty-resolver"].map((jar) => `/usr/share/java/${jar}.jar`),
].join(":");
const START_TIMEOUT_MS = 40_000;
/** How long a server may take to answer to a word: one that starts or hangs may keep the connection and never answer. */
const [SOON_MS, ANSWER_MS] = [2000, 30_000];

/** Whether a real server can be started here. */
export const zooKeeperInstalled = existsSync(JAR) && existsSync("/usr/bin/java");

/** A server under the test's control. */
export interface ZooKeeperServer {
  readonly host: string;
  readonly port: number;
  /** `host:port`. */
  readonly connectString: string;
  /** The port for TLS with client certificates; 0 without `tls`. */
  readonly securePort: number;
  /** Where the server keeps its data, configuration and log. */
  readonly directory: string;
  /** Stops the process (kill -9 with `hard`); the data stays. */
  stop(options?: { hard?: boolean }): Promise<void>;
  /** Starts it again on the same port with the same data, after stopping it if need be. */
  restart(options?: { hard?: boolean }): Promise<void>;
  /** SIGSTOP: the process lives, its sockets are open; nothing answers once this has resolved. */
  pause(): Promise<void>;
  /** SIGCONT. */
  resume(): void;
  /** Ends a session as if it had timed out: its ephemerals go, and its client hears that it has expired. */
  expire(session: { readonly credentials: Credentials }): Promise<void>;
  /** Stops the process and deletes the directory. */
  close(): Promise<void>;
}

export interface ZooKeeperOptions {
  /** Milliseconds; session timeouts are at least two of them. @default 500 */
  readonly tickTime?: number;
  /** Milliseconds. @default 20 ticks */
  readonly longestSessionMs?: number;
  /** Serves TLS on a second port with this certificate, to clients with one of the same authority. */
  readonly tls?: Certificate;
  /** Megabytes of memory for the server's data. @default 128 */
  readonly heapMb?: number;
}

/** Starts one server. The caller closes it; if it forgets, the server dies with this process. */
export async function startZooKeeper(options: ZooKeeperOptions = {}): Promise<ZooKeeperServer> {
  const directory = await mkdtemp(join(tmpdir(), "nodepool-zookeeper-"));
  const securePort = options.tls ? await freePort() : 0;
  const server = new Server(directory, await freePort(), securePort, options);
  await server.configure([]);
  await server.start();
  return server;
}

/** Starts an ensemble; resolves when every member serves. */
export async function startEnsemble(size = 3, options: ZooKeeperOptions = {}): Promise<ZooKeeperServer[]> {
  const directories = await Promise.all(
    Array.from({ length: size }, () => mkdtemp(join(tmpdir(), "nodepool-zookeeper-"))),
  );
  const ports = await Promise.all(Array.from({ length: size * 4 }, freePort));
  const lines = directories.map(
    (_, index) => `server.${index + 1}=127.0.0.1:${ports[size + index]}:${ports[2 * size + index]}`,
  );
  const servers = directories.map((directory, index) => {
    const securePort = options.tls ? (ports[3 * size + index] ?? 0) : 0;
    return new Server(directory, ports[index] ?? 0, securePort, options);
  });
  await Promise.all(
    servers.map((server, index) => server.configure([...lines, "initLimit=10", "syncLimit=5"], index + 1)),
  );
  await Promise.all(servers.map((server) => server.start()));
  return servers;
}

/** The leader of an ensemble; undefined while none of those that answer says that it leads. */
export async function findLeader(servers: readonly ZooKeeperServer[]): Promise<ZooKeeperServer | undefined> {
  const answers = await Promise.all(
    servers.map(({ port }) => fourLetterWord(port, "srvr", SOON_MS).catch(String)),
  );
  return servers.find((_, index) => answers[index]?.includes("Mode: leader"));
}

/** Waits until an ensemble, which may be about to choose another one, has a leader. */
export function leaderOf(servers: readonly ZooKeeperServer[]): Promise<ZooKeeperServer> {
  return until("the ensemble has a leader", () => findLeader(servers));
}

class Server implements ZooKeeperServer {
  readonly host = "127.0.0.1";
  readonly directory: string;
  readonly port: number;
  readonly securePort: number;
  readonly #options: ZooKeeperOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();

  constructor(directory: string, port: number, securePort: number, options: ZooKeeperOptions) {
    this.directory = directory;
    this.port = port;
    this.securePort = securePort;
    this.#options = options;
  }

  get connectString(): string {
    return `${this.host}:${this.port}`;
  }

  async configure(extra: readonly string[], myId?: number): Promise<void> {
    const data = join(this.directory, "data");
    await mkdir(data);
    if (myId !== undefined) await writeFile(join(data, "myid"), `${myId}\n`);
    const { tickTime = 500, longestSessionMs = 20 * tickTime } = this.#options;
    const lines = [
      `tickTime=${tickTime}`,
      `maxSessionTimeout=${longestSessionMs}`,
      `dataDir=${data}`,
      `clientPort=${this.port}`,
      `clientPortAddress=${this.host}`,
      "maxClientCnxns=0",
      "admin.enableServer=false",
      "4lw.commands.whitelist=*",
      "forceSync=yes",
      "preAllocSize=1024",
      ...this.#tlsLines(),
      ...extra,
    ];
    await writeFile(join(this.directory, "zoo.cfg"), `${lines.join("\n")}\n`);
  }

  #tlsLines(): string[] {
    const { tls } = this.#options;
    if (tls === undefined) return [];
    return [
      "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory",
      `secureClientPort=${this.securePort}`,
      `secureClientPortAddress=${this.host}`,
      `ssl.keyStore.location=${tls.bundle}`,
      `ssl.trustStore.location=${tls.ca}`,
      // The clients' addresses are loopback; their certificates have names.
      "ssl.hostnameVerification=false",
    ];
  }

  async start(): Promise<void> {
    const output: string[] = [];
    const child = spawn(
      "/usr/bin/java",
      [
        `-Xmx${this.#options.heapMb ?? 128}m`,
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Dzookeeper.extendedTypesEnabled=true",
        `-Dznode.container.checkIntervalMs=${REAP_INTERVAL_MS}`,
        "-cp",
        CLASS_PATH,
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        join(this.directory, "zoo.cfg"),
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    this.#child = child;
    const keep = (chunk: unknown) => {
      output.push(String(chunk));
      if (output.length > 200) output.shift();
    };
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    const killWithUs = () => this.#signal("SIGKILL");
    process.on("exit", killWithUs);
    this.#exited = new Promise((resolve) => {
      child.once("exit", () => {
        process.removeListener("exit", killWithUs);
        if (this.#child === child) this.#child = undefined;
        resolve();
      });
    });
    await this.#serving(child, output);
  }

  async #serving(child: ChildProcess, output: readonly string[]): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await this.#isServing())) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        await this.close();
        throw new Error(`ZooKeeper on ${this.connectString} did not start:\n${output.join("")}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async #isServing(): Promise<boolean> {
    const answer = await fourLetterWord(this.port, "srvr", SOON_MS).catch(() => "");
    return answer.includes("Mode:");
  }

  async stop({ hard = false } = {}): Promise<void> {
    this.#signal("SIGCONT");
    this.#signal(hard ? "SIGKILL" : "SIGTERM");
    await this.#exited;
  }

  async restart(options: { hard?: boolean } = {}): Promise<void> {
    await this.stop(options);
    await this.start();
  }

  async pause(): Promise<void> {
    const pid = this.#child?.pid;
    if (pid !== undefined) await stopProcess(pid);
  }

  resume(): void {
    this.#signal("SIGCONT");
  }

  /** By pid: Deno's `ChildProcess.kill` takes a child for dead after any signal, also after SIGCONT. */
  #signal(signal: "SIGCONT" | "SIGTERM" | "SIGKILL"): void {
    const pid = this.#child?.pid;
    if (pid !== undefined) process.kill(pid, signal);
  }

  expire(session: { readonly credentials: Credentials }): Promise<void> {
    return takeOverAndClose(this, session.credentials);
  }

  async close(): Promise<void> {
    await this.stop({ hard: true });
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** What a server answers to one of its four-letter commands, as `srvr` or `wchs`. */
export function fourLetterWord(port: number, word: string, patienceMs = ANSWER_MS): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: string[] = [];
    const socket = net.connect({ host: "127.0.0.1", port }, () => socket.write(word));
    socket.setTimeout(patienceMs, () => socket.destroy(new Error(`no answer to ${word}`)));
    socket.on("data", (chunk) => chunks.push(String(chunk)));
    socket.on("error", reject);
    socket.on("close", () => resolve(chunks.join("")));
  });
}

/** The server's own log of what it committed, for tests that count transactions: the last zxid. */
export async function lastZxid(port: number): Promise<bigint> {
  const match = /^Zxid: 0x([0-9a-f]+)$/m.exec(await fourLetterWord(port, "srvr"));
  if (match?.[1] === undefined) throw new Error(`the server on port ${port} does not tell its zxid`);
  return BigInt(`0x${match[1]}`);
}
