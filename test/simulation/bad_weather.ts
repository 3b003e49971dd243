// Faults of one simulated run: which request meets which fault, by the seed alone.
import type { FaultSubject, Faults, ReplyFault } from "../../lib/zookeeper/embedded/faults.ts";
import { opCode } from "../../lib/zookeeper/embedded/wire.ts";
import { Random } from "./random.ts";

/** Requests that faults are dealt to, by name. */
const REQUESTS: ReadonlyMap<number, string> = new Map([
  [opCode.create2, "create"],
  [opCode.delete, "delete"],
  [opCode.multi, "multi"],
  [opCode.getData, "get"],
  [opCode.exists, "exists"],
  [opCode.getChildren2, "children"],
  [opCode.sync, "sync"],
  [opCode.addWatch, "add-watch"],
  [opCode.setWatches2, "set-watches"],
  [opCode.removeWatches, "remove-watches"],
]);

/** How much likelier a fault is for requests that are rare, so that each of their points is struck in a thousand runs. */
const LIKELIER: ReadonlyMap<number, number> = new Map([
  [opCode.removeWatches, 4],
  [opCode.sync, 3],
]);

/** What may happen before a request is carried out, and after it, before its answer is there. */
const BEFORE = ["throttle", "close", "ignore"] as const;
const AFTER = ["drop", "close", "half", "delay", "expire", "silence"] as const;

/** The disk takes no writes, once in a run. */
const DISK_FULL = "disk/full";
/** In how many runs that happens, and after how many writes to the log: a run has about a hundred. */
const DISK_PROBABILITY = 0.15;
const [FEWEST_WRITES, MORE_WRITES] = [20, 60];

/** Every point at which a fault may strike, as "multi/after/expire". */
export const FAULT_POINTS: readonly string[] = [
  DISK_FULL,
  ...[...REQUESTS.values()].flatMap((name) => [
    ...BEFORE.map((fault) => `${name}/before/${fault}`),
    ...AFTER.map((fault) => `${name}/after/${fault}`),
  ]),
];

/** Deals faults until it clears up. */
export class BadWeather implements Faults {
  /** Points that were struck, with how often. */
  readonly struck = new Map<string, number>();
  /** Ends a session; set when there is a server. */
  expire: (session: bigint) => void = () => {};
  readonly #randoms = new Map<bigint, Random>();
  readonly #silent = new Map<bigint, number>();
  readonly #spared = new Set<bigint>();
  readonly #seed: number;
  readonly #probability: number;
  #clear = false;
  /** Writes to the log until the disk is full. */
  #room = Infinity;

  constructor(seed: number, probability: number) {
    this.#seed = seed;
    this.#probability = probability;
    const random = new Random(seed * 1000 - 1);
    if (random.chance(DISK_PROBABILITY)) this.#room = FEWEST_WRITES + random.below(MORE_WRITES);
  }

  /** No fault strikes this session. */
  spare(session: bigint): void {
    this.#spared.add(session);
  }

  /** From now on everything works. */
  clearUp(): void {
    this.#clear = true;
    this.#silent.clear();
  }

  beforeRequest(request: FaultSubject): "accept" | "throttle" | "close" | "ignore" {
    const random = this.#randomFor(request);
    if (random === null || !random.chance(this.#probabilityFor(request) / 3)) return "accept";
    const fault = random.pick(BEFORE);
    this.#count(`${REQUESTS.get(request.type)}/before/${fault}`);
    return fault;
  }

  /** One write fails; the server takes the next ones when it has tried again by itself, a second later. */
  beforeLogWrite(): Error | null {
    this.#room -= 1;
    if (this.#clear || this.#room !== 0) return null;
    this.#count(DISK_FULL);
    return new Error("no space left on device");
  }

  beforeReply(request: FaultSubject): ReplyFault {
    const silent = this.#silent.get(request.sessionId) ?? 0;
    if (!this.#clear && silent > 0) {
      this.#silent.set(request.sessionId, silent - 1);
      return "drop";
    }
    const random = this.#randomFor(request);
    if (random === null || !random.chance(this.#probabilityFor(request))) return "deliver";
    const fault = random.pick(AFTER);
    this.#count(`${REQUESTS.get(request.type)}/after/${fault}`);
    switch (fault) {
      case "expire":
        this.expire(request.sessionId);
        return "drop";
      case "silence":
        // Neither this answer nor those of the next requests, pings among them.
        this.#silent.set(request.sessionId, 3 + random.below(6));
        return "drop";
      case "delay":
        return { delayMilliseconds: 5 + random.below(120) };
      default:
        return fault;
    }
  }

  #probabilityFor({ type }: FaultSubject): number {
    return this.#probability * (LIKELIER.get(type) ?? 1);
  }

  /** Null when no fault may strike. Each session has numbers of its own, so that none disturbs another's. */
  #randomFor({ type, sessionId }: FaultSubject): Random | null {
    if (this.#clear || this.#spared.has(sessionId) || !REQUESTS.has(type)) return null;
    let random = this.#randoms.get(sessionId);
    if (random === undefined) {
      random = new Random(this.#seed * 1000 + this.#randoms.size);
      this.#randoms.set(sessionId, random);
    }
    return random;
  }

  #count(point: string): void {
    this.struck.set(point, (this.struck.get(point) ?? 0) + 1);
  }
}
