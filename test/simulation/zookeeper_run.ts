// One simulated run: a server, three clients with everything real in them, and bad weather. Its seed decides what the
// clients do and which request meets which fault.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NODES, nodeLockPath, nodePath } from "../../lib/model/paths.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../../lib/zookeeper/embedded/server.ts";
import { connectSession } from "../../lib/zookeeper/session.ts";
import { isZooKeeperError, type Session } from "../../lib/zookeeper/types.ts";
import { BadWeather } from "./bad_weather.ts";
import { faultsOf } from "./history.ts";
import { Random } from "./random.ts";
import { AWAITED_NODES, documentOf, LOCKED_NODES, SimulatedClient } from "./simulated_client.ts";

const CLIENTS = 3;
const STEPS = 8;
/** How long after the last fault everything may take to come to rest. */
const REST_MS = 30_000;
const MARKER = "0000009999";

/** What came of a run. */
export interface RunResult {
  readonly seed: number;
  /** What was wrong, in words. */
  readonly faults: readonly string[];
  /** Fault points that were struck, with how often. */
  readonly struck: ReadonlyMap<string, number>;
  readonly writes: number;
}

/** Runs one seed. */
export async function runSeed(seed: number): Promise<RunResult> {
  const random = new Random(seed);
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "nodepool-simulation-"));
  const weather = new BadWeather(seed, 0.03 + 0.05 * random.next());
  const simulation = new Simulation(folder, weather);
  try {
    return await simulation.run(seed, random);
  } finally {
    await simulation.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

class Simulation {
  readonly #folder: string;
  readonly #weather: BadWeather;
  readonly #clients: SimulatedClient[] = [];
  #server: EmbeddedServer | undefined;
  #witness: Session | undefined;

  constructor(folder: string, weather: BadWeather) {
    this.#folder = folder;
    this.#weather = weather;
  }

  async run(seed: number, random: Random): Promise<RunResult> {
    const server = await this.#startServer(0);
    const witness = connectSession({ servers: [server], sessionTimeoutMs: 10_000, logger: silentLogger });
    this.#witness = witness;
    await witness.connected();
    this.#weather.spare(witness.sessionId);
    await witness.ensurePath(NODES);
    for (const node of [...LOCKED_NODES, ...AWAITED_NODES]) {
      await witness.create(nodePath(node), documentOf("first"), "persistent");
    }
    for (let number = 1; number <= CLIENTS; number += 1) {
      const own = new Random(seed * 100 + number);
      this.#clients.push(new SimulatedClient(`client${number}`, server, witness, own));
    }
    const work = Promise.all(this.#clients.map((client) => client.work(STEPS)));
    for (const node of AWAITED_NODES) random.pick(this.#clients).awaitEnd(node);
    if (random.chance(0.3)) await this.#restartServer(server.port, 20 + random.below(150));
    await withLimit(work);
    this.#weather.clearUp();
    await withLimit(work);
    for (const node of AWAITED_NODES) await witness.delete(nodePath(node), -1);
    await witness.create(nodePath(MARKER), documentOf("marker"), "persistent");
    await until(() => this.#clients.every((client) => this.#isAtRest(client)));
    return {
      seed,
      faults: await this.#judge(witness),
      struck: this.#weather.struck,
      writes: this.#writes.length,
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map(({ view }) => view.close()));
    await Promise.all(this.#clients.map(({ session }) => session.close()));
    await this.#witness?.close();
    await this.#server?.close();
  }

  get #writes() {
    return this.#clients.flatMap(({ writes }) => writes);
  }

  #isAtRest({ view, pending }: SimulatedClient): boolean {
    return view.current && view.node(MARKER)?.record?.comment === "marker" && pending.length === 0;
  }

  async #startServer(port: number): Promise<EmbeddedServer> {
    const server = await startEmbeddedServer({
      dataDir: this.#folder,
      port,
      logger: silentLogger,
      sessionTimeouts: { minimum: 100, maximum: 10_000 },
      faults: this.#weather,
    });
    this.#weather.expire = (session) => server.expireSession(session);
    this.#server = server;
    return server;
  }

  /** On the same port with the same data; somebody else may have taken the port for a moment. */
  async #restartServer(port: number, afterMs: number): Promise<void> {
    await pause(afterMs);
    await this.#server?.close();
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#startServer(port);
        return;
      } catch (error) {
        if (attempt === 50) throw error;
        await pause(20);
      }
    }
  }

  async #judge(witness: Session): Promise<string[]> {
    const tree = new Map<string, string>();
    for (const node of await witness.children(NODES)) {
      const { data } = await witness.get(nodePath(node));
      tree.set(node, (JSON.parse(new TextDecoder().decode(data)) as { comment: string }).comment);
    }
    const leftContenders: string[] = [];
    for (const node of LOCKED_NODES) {
      const line = await witness.children(nodeLockPath(node)).catch(emptyWhenMissing);
      leftContenders.push(...line.map((name) => `${nodeLockPath(node)}/${name}`));
    }
    const views = new Map(
      this.#clients.map(({ name, view }) => [
        name,
        new Map(Array.from(view.nodes(), ({ id, record }) => [id, record?.comment ?? "broken"])),
      ]),
    );
    const all = <T>(of: (client: SimulatedClient) => Iterable<T>) =>
      this.#clients.flatMap((each) => [...of(each)]);
    const faults = faultsOf({
      writes: this.#writes,
      taken: all(({ taken }) => taken),
      otherValues: new Set(["first", "marker", ...all(({ otherValues }) => otherValues)]),
      everHeard: all(({ everHeard }) => everHeard),
      lastHeard: all(({ lastHeard }) => lastHeard),
      views,
      tree,
      leftContenders,
      hung: all(({ pending }) => pending),
    });
    return [...faults, ...all(({ violations }) => violations)];
  }
}

function emptyWhenMissing(error: unknown): string[] {
  if (isZooKeeperError(error, "NO_NODE")) return [];
  throw error;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Waits for the work, but not for ever: what hangs is found by judging. */
async function withLimit(work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise((resolve) => {
    timer = setTimeout(resolve, REST_MS);
  });
  await Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

/** Waits for a condition; whoever waits in vain finds out what is wrong by judging. */
async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + REST_MS;
  while (!condition() && performance.now() < end) await pause(5);
}
