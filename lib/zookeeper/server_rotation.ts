// Which server to try next, and when.
import { backoffDelay } from "../std/backoff.ts";
import type { ServerAddress } from "./connection.ts";

/**
 * How long the first handshake may take. A ZooKeeper that starts accepts connections that it never answers, so a new one
 * is tried soon; each that was not answered doubles the time for the next, up to what the session timeout allows.
 */
const FIRST_HANDSHAKE_MS = 1000;
const SHORTEST_HANDSHAKE_MS = 250;

/** Goes round the servers in an order that differs from process to process, and slower while none answers. */
export class ServerRotation {
  #servers: readonly ServerAddress[];
  readonly #random: () => number;
  #next = 0;
  #failures = -1;
  #unanswered = 0;

  constructor(servers: readonly ServerAddress[], random: () => number) {
    requireOne(servers);
    this.#servers = shuffle(servers, random);
    this.#random = random;
  }

  /** Goes round these servers from now on. */
  replace(servers: readonly ServerAddress[]): void {
    requireOne(servers);
    this.#servers = shuffle(servers, this.#random);
    this.#next = 0;
  }

  /** Whether it is one of the servers. */
  has({ host, port }: ServerAddress): boolean {
    return this.#servers.some((server) => server.host === host && server.port === port);
  }

  /** Attempts that have failed since the last success. */
  get failures(): number {
    return Math.max(0, this.#failures);
  }

  /** The server to try, and the milliseconds to wait before. The first attempt of all is made at once. */
  next(): { server: ServerAddress; delayMs: number } {
    const server = this.#servers[this.#next % this.#servers.length];
    if (server === undefined) throw new RangeError("the list of servers is empty");
    this.#next += 1;
    this.#failures += 1;
    if (this.#failures === 0) return { server, delayMs: 0 };
    const round = Math.ceil(this.#failures / this.#servers.length);
    return { server, delayMs: backoffDelay(round, { initial: 100, maximum: 2000, random: this.#random }) };
  }

  /** Milliseconds that the next handshake may take: all servers have their turn before the session may have expired. */
  handshakeLimit(sessionTimeoutMs: number): number {
    const allowed = (sessionTimeoutMs * 2) / 3 / Math.min(3, this.#servers.length);
    return Math.max(SHORTEST_HANDSHAKE_MS, Math.min(allowed, FIRST_HANDSHAKE_MS * 2 ** this.#unanswered));
  }

  /** A handshake had no answer within its limit. */
  unanswered(): void {
    this.#unanswered += 1;
  }

  /** A server has answered. */
  succeeded(): void {
    this.#failures = 0;
    this.#unanswered = 0;
  }
}

function requireOne(servers: readonly ServerAddress[]): void {
  if (servers.length > 0) return;
  throw new Error("no ZooKeeper server is given: expected at least one host and port");
}

function shuffle<T>(items: readonly T[], random: () => number): T[] {
  const shuffled = [...items];
  for (let last = shuffled.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    const [a, b] = [shuffled[last], shuffled[other]];
    if (a === undefined || b === undefined) continue;
    shuffled[last] = b;
    shuffled[other] = a;
  }
  return shuffled;
}
