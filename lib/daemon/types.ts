// What a daemon's composition root hands to the service that it runs, and what it gets back.
import type { Config } from "../config/types.ts";
import type { Provider } from "../provider/contract.ts";
import type { RpcService } from "../rpc/service.ts";
import type { Clock } from "../std/clock.ts";
import type { Logger } from "../std/logger.ts";
import type { Locks, Session } from "../zookeeper/types.ts";
import type { View } from "../zookeeper/view.ts";
import type { UnservedProvider } from "./providers.ts";

/** Everything that a service takes from outside. */
export interface ServiceContext {
  readonly config: Config;
  readonly session: Session;
  readonly locks: Locks;
  readonly view: View;
  /** The configuration's providers that can be served, started. Those that cannot are in {@link unserved}. */
  readonly providers: readonly Provider[];
  /** Providers that are not served, with the reason. */
  readonly unserved: readonly UnservedProvider[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** This host's fully qualified name. */
  readonly hostname: string;
  /** The program's version, for the component record. */
  readonly version: string;
  /** A new random UUID with dashes. */
  readonly newUuid: () => string;
}

/** What a configuration that was read anew brings to a running service. */
export interface NextConfig {
  readonly config: Config;
  /**
   * The providers to work with from now on, started. One whose settings stayed is the same object as before. One that
   * is gone here is stopped by the caller when nothing uses it any more: {@link Reconfigured.released}.
   */
  readonly providers: readonly Provider[];
  readonly unserved: ServiceContext["unserved"];
  /** Counts the configurations of this process, from 1, for the component's record. */
  readonly generation?: number;
}

/** A configuration that is in force. */
export interface Reconfigured {
  /** Resolves when nothing uses a provider any more that is not in it: what was in hand, as an upload, has ended. */
  readonly released: Promise<void>;
}

/** One thing that another configuration would change in the living system. */
export interface PlannedChange {
  /** As build, upload, delete-build, launch, drain. */
  readonly kind: string;
  /** What it is about, in words. */
  readonly subject: string;
  readonly reason: string;
  /** Whether something that is there goes, or something that was served is no longer. */
  readonly destructive: boolean;
}

/** A running service. */
export interface Service {
  /** The gRPC services that it answers. */
  readonly rpc: readonly RpcService[];
  /**
   * Refuses a configuration that {@link Service.reconfigure} would refuse. Changes nothing that counts while the one in
   * force stays.
   */
  admit?(next: Config): Promise<void>;
  /**
   * Goes on with another configuration; resolves when it is in force. What is in hand is finished with the one that it
   * was begun with. Calls must not overlap.
   */
  reconfigure?(next: NextConfig): Promise<Reconfigured>;
  /** What another configuration would change, by the service's own decisions. Changes nothing. */
  plan?(next: Config): readonly PlannedChange[];
  /**
   * Ends it: no new work is begun, work in hand is brought to a point where another process can go on with it, locks
   * are given back. When `grace` is aborted it must resolve within four seconds. The session stays open.
   */
  stop(grace: AbortSignal): Promise<void>;
}
