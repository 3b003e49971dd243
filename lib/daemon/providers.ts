// Opens the configuration's providers. One that cannot be opened is named with the reason and stops nobody else.
import type { Config, ProviderConfig } from "../config/types.ts";
import { type Provider, ProviderError } from "../provider/contract.ts";
import { openProvider } from "../provider/registry.ts";
import { backoffDelay } from "../std/backoff.ts";
import type { Clock } from "../std/clock.ts";
import { messageOf } from "../std/errors.ts";
import type { Logger } from "../std/logger.ts";

/** A provider that is not served, and why. */
export interface UnservedProvider {
  readonly name: string;
  readonly driver: string;
  readonly problem: string;
  /** Whether it may help to try again later. */
  readonly retryable: boolean;
}

/** How providers are opened. */
export interface OpenProvidersOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Where drivers keep what they must find again after a restart. */
  readonly stateDir?: string;
  /** Whether this process stops instances with itself and starts them again. */
  readonly ownsInstances?: boolean;
  /** Whether this process runs the instances that have no machine of their own. @default true */
  readonly hostsInstances?: boolean;
  /** The environment, for drivers. @default empty */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** How long a provider that fails is tried again, in milliseconds. @default 10000 */
  readonly patienceMs?: number;
  /** Problems that were reported already, by the provider's name: not once more. */
  readonly told?: ReadonlyMap<string, string>;
  /** Called when the problem that a provider tells of itself comes, goes or changes. */
  readonly onProblem?: () => void;
  /** Opens one; replaced in tests. */
  readonly open?: typeof openProvider;
}

/**
 * Opens and starts all providers at the same time.
 *
 * @throws the signal's reason when it is aborted meanwhile; what was opened until then has stopped by then
 */
export async function openProviders(
  config: Config,
  options: OpenProvidersOptions,
): Promise<{ providers: Provider[]; unserved: UnservedProvider[] }> {
  const opening = config.providers.map((provider) => openOne(provider, options));
  const outcomes = await Promise.allSettled(opening);
  const results = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed !== undefined) {
    const stops = results.map((result) => ("problem" in result ? null : result.stop()));
    await Promise.allSettled(stops);
    throw failed.reason;
  }
  return {
    providers: results.flatMap((result) => ("problem" in result ? [] : [result])),
    unserved: results.flatMap((result) => ("problem" in result ? [result] : [])),
  };
}

async function openOne(
  config: ProviderConfig,
  options: OpenProvidersOptions,
): Promise<Provider | UnservedProvider> {
  const { clock, signal } = options;
  const logger = options.logger.child({ provider: config.name });
  const until = clock.now() + (options.patienceMs ?? 10_000);
  for (let failures = 1; ; failures += 1) {
    try {
      return await start(config, options);
    } catch (error) {
      signal.throwIfAborted();
      const delay = backoffDelay(failures, { initial: 500, maximum: 4000 });
      const mayHelp = error instanceof ProviderError && error.retryable;
      if (!mayHelp || clock.now() + delay > until) {
        const problem = messageOf(error);
        const level = options.told?.get(config.name) === problem ? "debug" : "error";
        logger[level]("provider is not served", { driver: config.driver, problem });
        return { name: config.name, driver: config.driver, problem, retryable: mayHelp };
      }
      const level = failures === 1 && !options.told?.has(config.name) ? "warn" : "debug";
      logger[level]("provider cannot be opened yet", { problem: messageOf(error), attempt: failures });
      await clock.sleep(delay, signal);
    }
  }
}

async function start(config: ProviderConfig, options: OpenProvidersOptions): Promise<Provider> {
  const { clock, logger, signal, stateDir } = options;
  const provider = await (options.open ?? openProvider)(config, {
    logger,
    clock,
    ownsInstances: options.ownsInstances ?? false,
    hostsInstances: options.hostsInstances ?? true,
    env: options.env ?? {},
    ...(stateDir === undefined ? {} : { stateDir }),
    ...(options.onProblem === undefined ? {} : { onProblem: options.onProblem }),
  });
  try {
    await provider.start(signal);
  } catch (error) {
    await provider.stop();
    throw error;
  }
  logger.info("provider opened", { provider: config.name, summary: provider.describe().summary });
  return provider;
}
