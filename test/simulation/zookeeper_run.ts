// One simulated run: a server, three clients with everything real in them, and bad weather. Its seed decides what the
// clients do and which request meets which fault.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../lib/std/logger.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../../lib/zookeeper/embedded/server.ts";
import { connectSession } from "../../lib/zookeeper/session.ts";
import { BadWeather } from "./bad_weather.ts";
import { Fleet } from "./fleet.ts";
import { Random } from "./random.ts";

const CLIENTS = 3;
const STEPS = 8;
const SESSION_TIMEOUT_MS = 500;

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
  const weather = new BadWeather(seed, 0.03 + 0.05 * random.next());
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "nodepool-simulation-"));
  let server = await startServer(folder, weather, 0);
  const witness = connectSession({ servers: [server], sessionTimeoutMs: 10_000, logger: silentLogger });
  const fleet = new Fleet(witness, seed);
  try {
    await witness.connected();
    weather.spare(witness.sessionId);
    const client = { servers: [server], sessionTimeoutMs: SESSION_TIMEOUT_MS };
    await fleet.start(Array(CLIENTS).fill(client), (step) => step < STEPS);
    if (random.chance(0.3)) {
      await pause(20 + random.below(150));
      const { port } = server;
      await server.close();
      server = await startAgain(folder, weather, port);
    }
    await fleet.worked();
    weather.clearUp();
    return { seed, faults: await fleet.judge(), struck: weather.struck, writes: fleet.writes.length };
  } finally {
    await fleet.close();
    await witness.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startServer(folder: string, weather: BadWeather, port: number): Promise<EmbeddedServer> {
  const server = await startEmbeddedServer({
    dataDir: folder,
    port,
    logger: silentLogger,
    sessionTimeouts: { minimum: 100, maximum: 10_000 },
    faults: weather,
  });
  weather.expire = (session) => server.expireSession(session);
  return server;
}

/** On the same port with the same data; somebody else may have taken the port for a moment. */
async function startAgain(folder: string, weather: BadWeather, port: number): Promise<EmbeddedServer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startServer(folder, weather, port);
    } catch (error) {
      if (attempt === 50) throw error;
      await pause(20);
    }
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
