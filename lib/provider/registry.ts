// Opens providers by their driver's name. A driver's code is loaded when a provider needs it.
import type { ProviderConfig } from "../config/types.ts";
import { type Clock, systemClock } from "../std/clock.ts";
import type { Logger } from "../std/logger.ts";
import { type Provider, ProviderError } from "./contract.ts";
import { withDeadlines, withRetries, withTelemetry, withThrottling } from "./decorators.ts";
import type { ProviderOptions } from "./options.ts";

type OpenDriver = (config: ProviderConfig, options: ProviderOptions) => Provider;

const DRIVERS: Readonly<Record<string, () => Promise<OpenDriver>>> = {
  fake: async () => (await import("./fake/fake_provider.ts")).openFakeProvider,
  local: async () => (await import("./local/local_provider.ts")).openLocalProvider,
  metastatic: async () => (await import("./metastatic/metastatic_provider.ts")).openMetastaticProvider,
  openstack: async () => (await import("./openstack/openstack_provider.ts")).openOpenStackProvider,
  static: async () => (await import("./static/static_provider.ts")).openStaticProvider,
};

/** Drivers that Nodepool has and we do not. */
const UNSERVED_DRIVERS: readonly string[] = [
  "aws",
  "azure",
  "digitalocean",
  "gce",
  "ibmvpc",
  "kubernetes",
  "openshift",
  "openshiftpods",
];

/** Whether providers of this driver can be served. */
export function hasDriver(name: string): boolean {
  return Object.hasOwn(DRIVERS, name);
}

/** How long a deletion may take, in milliseconds. */
const DELETION_MS = 600_000;

/** How providers are opened. */
export interface OpenProviderOptions {
  readonly logger: Logger;
  /** Where drivers keep what they must find again after a restart. */
  readonly stateDir?: string;
  /** Whether stop() stops the instances without deleting them, and start() starts them again. @default false */
  readonly ownsInstances?: boolean;
  /**
   * Whether this process runs the instances that have no machine of their own (the local driver's sandboxes). A
   * builder that shares its machine with a launcher says no. @default true
   */
  readonly hostsInstances?: boolean;
  /** The environment, for DOCKER_HOST and XDG_RUNTIME_DIR. @default empty */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  /** Called when the problem that describe() tells comes, goes or changes after the start. */
  readonly onProblem?: () => void;
}

/**
 * Makes the provider of a configuration; it must still be started.
 * @throws {ProviderError} when its driver is not served, or a key of it is wrong
 */
export async function openProvider(config: ProviderConfig, options: OpenProviderOptions): Promise<Provider> {
  const load = hasDriver(config.driver) ? DRIVERS[config.driver] : undefined;
  if (load === undefined) throw new ProviderError(whyUnserved(config), { retryable: false });
  const clock = options.clock ?? systemClock;
  const logger = options.logger;
  const open = await load();
  const provider = open(config, {
    logger: logger.child({ provider: config.name }),
    clock,
    stateDir: options.stateDir ?? null,
    ownsInstances: options.ownsInstances ?? false,
    hostsInstances: options.hostsInstances ?? true,
    env: options.env ?? {},
    onProblem: options.onProblem ?? (() => {}),
  });
  let current = config;
  const deadlines = {
    get createInstance() {
      return current.launchTimeout * 1000;
    },
    // Launchers and builders wait for as long: of many at a time each is to have its turn, however low the rate.
    deleteInstance: DELETION_MS,
    deleteImage: DELETION_MS,
    deleteLeftover: DELETION_MS,
    get uploadImage() {
      return current.imageUploadTimeout * 1000;
    },
    // As long as the host's own `timeout` says.
    checkHost: Number.POSITIVE_INFINITY,
    start: 180_000,
    other: 120_000,
  };
  const paced = withThrottling(provider, clock);
  const whole = withTelemetry(withRetries(withDeadlines(paced, deadlines, clock), clock), logger, clock);
  const changeTo = (next: ProviderConfig) => {
    if (provider.changeTo?.(next) !== true) return false;
    current = next;
    return true;
  };
  return { ...whole, changeTo };
}

function whyUnserved({ name, driver }: ProviderConfig): string {
  const served = Object.keys(DRIVERS).join(", ");
  return UNSERVED_DRIVERS.includes(driver)
    ? `provider ${name}: driver '${driver}' is not served by this version; it serves: ${served}`
    : `provider ${name}: there is no driver '${driver}'; known are: ${served}, and without being served yet: ${UNSERVED_DRIVERS.join(", ")}`;
}
