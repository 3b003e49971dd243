// What the launcher's effects work with.

import type { ServiceContext } from "../../lib/daemon/types.ts";
import type { Provider } from "../../lib/provider/contract.ts";
import type { KeyScanOptions } from "../../lib/provider/key_scan.ts";
import type { ReachOptions } from "../../lib/provider/reach.ts";
import { seconds } from "../../lib/std/clock.ts";
import type { Gate } from "../../lib/std/gate.ts";
import type { TaskGroup } from "../../lib/std/task_group.ts";
import { type ReachCheckpoint, type Step, throughCheckpoints } from "./checkpoint.ts";
import type { Brakes } from "./cleanup/brake.ts";
import type { DriverUses } from "./driver_uses.ts";
import type { HostCheckCall } from "./host/check.ts";
import type { Judgement } from "./host/judge.ts";
import type { Memory } from "./host/memory.ts";
import type { PlacedHost, Slot } from "./host/slots.ts";
import type { Metrics } from "./metrics.ts";
import type { ReadableNode } from "./pool/node_share.ts";
import type { ServedPool } from "./pool/served.ts";
import type { Chains } from "./request/chains.ts";
import type { RequestIds } from "./request/request_ids.ts";
import type { HandState } from "./state.ts";
import { Transaction } from "./transaction.ts";

/** Reads a machine's SSH host keys, as "type base64". */
export type ScanHostKeys = (options: Omit<KeyScanOptions, "clock" | "isBooting">) => Promise<string[]>;

/** Waits until a machine that is not reached by SSH can be connected to. */
export type Reach = (options: Omit<ReachOptions, "clock">) => Promise<void>;

/** What the decisions know of hosts. */
export interface HostKnowledge {
  /** The slot that a node stands for. */
  slotOf(node: string): Slot | undefined;
  /** The records of a host. */
  nodesOf(placed: PlacedHost): readonly ReadableNode[];
  /** Whether a host can be used; `more` is what a record that is not written yet will remember. */
  judge(placed: PlacedHost, more?: readonly Memory[]): Judgement;
}

/** Shared by all effects of one launcher. */
export interface Environment {
  readonly context: ServiceContext;
  /** The pools that are served now. */
  readonly pools: readonly ServedPool[];
  readonly uses: DriverUses;
  readonly hand: HandState;
  readonly chains: Chains;
  readonly requestIds: RequestIds;
  /** Asks a provider for its limits at once. */
  readonly refreshLimits: (provider: string) => void;
  /** Work that goes on beyond one transaction: launches and deletions. */
  readonly tasks: TaskGroup;
  readonly metrics: Metrics;
  /** Where too much looks wrong at once, the cleanup deletes nothing. */
  readonly brakes: Brakes;
  readonly scanHostKeys: ScanHostKeys;
  readonly reach: Reach;
  /** The nodes that are allocated to a request, by id. */
  readonly nodesOf: (request: string) => readonly ReadableNode[];
  readonly hosts: HostKnowledge;
  /** Bounds the checks of hosts that are under way at once. */
  readonly hostGate: Gate;
  /** The check of each host as it was configured when that was asked for last. */
  readonly hostChecks: Map<string, HostCheckCall>;
  /** Hears which step is reached. */
  readonly checkpoint: ReachCheckpoint;
  /** Asks for a new decision soon. */
  readonly kick: () => void;
}

/** The time in seconds. */
export function nowOf(environment: Environment): number {
  return seconds(environment.context.clock);
}

/** Random numbers in [0, 1), from where uuids come from. */
export function randomOf({ newUuid }: Pick<ServiceContext, "newUuid">): () => number {
  return () => Number.parseInt(newUuid().slice(0, 8), 16) / 2 ** 32;
}

/** A new transaction for a step of the launcher's work. */
export function transaction(environment: Environment, step: Step): Transaction {
  const { session } = environment.context;
  return new Transaction(session, (run) => throughCheckpoints(environment.checkpoint, step, run));
}

/** The driver of a provider that is served here. */
export function driverOf(environment: Environment, provider: string | null): Provider | undefined {
  return environment.context.providers.find((candidate) => candidate.name === provider);
}
