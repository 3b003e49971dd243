// grpc.health.v1.Health: whether the server, and each of its services, answers calls.
//
// Invariant H1: Watch sends each status that lasts. It listens before it reads, so a change made while an answer is
// on its way is seen by the next read.
import { notFound } from "./errors.ts";
import {
  type HealthServiceImplementation,
  HealthCheckResponse_ServingStatus as Status,
} from "./gen/grpc/health/v1/health.ts";

/** The states of health of one server. */
export class Health {
  readonly #statuses = new Map<string, Status>();
  readonly #services: readonly string[];
  readonly #listeners = new Set<() => void>();

  /** `services` are full names. All, and the server as a whole (""), begin as NOT_SERVING. */
  constructor(services: readonly string[]) {
    this.#services = ["", ...services];
    for (const service of this.#services) this.#statuses.set(service, Status.NOT_SERVING);
  }

  /** Sets the status of one service or other matter, or of all services when none is named. */
  setServing(serving: boolean, service?: string): void {
    const status = serving ? Status.SERVING : Status.NOT_SERVING;
    for (const name of service === undefined ? this.#services : [service]) {
      this.#statuses.set(name, status);
    }
    for (const listener of this.#listeners) listener();
  }

  /** Number of watches under way. */
  get watchers(): number {
    return this.#listeners.size;
  }

  /** What answers the calls. */
  implementation(): HealthServiceImplementation {
    return {
      check: async ({ service }) => {
        const status = this.#statuses.get(service);
        if (status === undefined) throw notFound("service", service);
        return { status };
      },
      watch: ({ service }, { signal }) => this.#watch(service, signal),
    };
  }

  async *#watch(service: string, signal: AbortSignal): AsyncGenerator<{ status: Status }, void, void> {
    let changed = true;
    let wake = () => {};
    const hear = () => {
      changed = true;
      wake();
    };
    this.#listeners.add(hear);
    signal.addEventListener("abort", hear);
    try {
      let sent: Status | undefined;
      while (!signal.aborted) {
        changed = false;
        const status = this.#statuses.get(service) ?? Status.SERVICE_UNKNOWN;
        if (status !== sent) {
          sent = status;
          yield { status };
        }
        if (!changed) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      signal.removeEventListener("abort", hear);
      this.#listeners.delete(hear);
    }
  }
}
