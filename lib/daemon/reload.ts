// Has a running daemon take a changed configuration.
//
// Invariants:
//   R1. One change at a time, and all of it or nothing: what cannot be used, or not be taken, leaves the old one in
//       force.
//   R2. What is wrong with a file is logged once, not at every look; the status has it until it is mended.
//   R3. A provider that is not served is tried again, later and later, until it is; with the files as they are by then.
import { dirname } from "node:path";
import { metrics } from "@opentelemetry/api";
import { readClouds } from "../config/clouds/cloud_reader.ts";
import {
  type ConfigReading,
  type LoadOptions,
  loadConfig,
  type ParseOptions,
  parseConfig,
} from "../config/load.ts";
import { readText } from "../config/read_text.ts";
import {
  type Config,
  ConfigError,
  type ConfigProblem,
  formatProblem,
  MissingFileError,
} from "../config/types.ts";
import type { Foreseen } from "../rpc/config_service.ts";
import { backoffDelay } from "../std/backoff.ts";
import type { Clock } from "../std/clock.ts";
import { messageOf } from "../std/errors.ts";
import type { Logger } from "../std/logger.ts";
import { haveCloudsChanged, refusalsOf, requireServers, startOnlyKeys } from "./config_change.ts";
import type { ProviderSet } from "./provider_set.ts";
import type { Service } from "./types.ts";

/** Looks at a file that is missing, in case it is being replaced. */
const MISSING_TRIES = 4;
const MISSING_WAIT_MS = 250;
/** What problems of a file that was sent are said to be of: the field of the call. Its path is known to the caller only. */
const SENT = { file: "text", secureFile: "secure_text" };
const RETRY = { initial: 15_000, maximum: 600_000 };

/** Which configuration is in force. */
export interface ConfigStatus {
  readonly config: Config;
  /** Counts from 1. */
  readonly generation: number;
  /** Milliseconds since the epoch. */
  readonly loadedAt: number;
  /** Why the file as it is now is not in force. */
  readonly problems: readonly string[];
  /** Keys whose change counts only from the next start. */
  readonly pendingKeys: readonly string[];
}

export interface ReloaderOptions {
  /** What the daemon was started with. */
  readonly config: Config;
  readonly files: LoadOptions;
  /** What this process makes of a configuration that it reads. @default nothing else */
  readonly adapt?: (config: Config) => Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly providers: ProviderSet;
  readonly service: Pick<Service, "reconfigure" | "plan">;
  /** Hears of each configuration that has come into force. */
  readonly onTaken: (config: Config) => void;
  /** Hears whether the file as it is now is in force. */
  readonly onValid: (valid: boolean) => void;
}

export class Reloader {
  readonly #options: ReloaderOptions;
  readonly #first: Config;
  #status: ConfigStatus;
  #turn: Promise<unknown> = Promise.resolve();
  #failures = 0;
  #cancelRetry: (() => void) | null = null;
  readonly #stopMetrics: () => void;

  constructor(options: ReloaderOptions) {
    const { config, clock } = options;
    this.#options = options;
    this.#first = config;
    this.#status = { config, generation: 1, loadedAt: clock.now(), problems: [], pendingKeys: [] };
    this.#stopMetrics = observe(() => this.#status);
    this.#retryUnserved();
  }

  get status(): ConfigStatus {
    return this.#status;
  }

  /** Reads the files and takes what has changed. Resolves with whether another configuration is in force. Never rejects. */
  reload(reason: string): Promise<boolean> {
    return this.#inTurn(() => this.#reload(reason));
  }

  async #reload(reason: string): Promise<boolean> {
    const { logger } = this.#options;
    const { config } = this.#status;
    try {
      const next = await this.#read(config);
      if (next.hash === config.hash && !haveCloudsChanged(config, next)) {
        if (this.#status.problems.length > 0) logger.info("the configuration in force is the file's again");
        this.#settle([]);
        return false;
      }
      requireServers(config, next);
      await this.#take(next, this.#status.generation + 1);
      this.#settle([]);
      const pendingKeys = startOnlyKeys(this.#first, next);
      const { generation } = this.#status;
      logger.info("another configuration is in force", { reason, generation, config_hash: next.hash });
      for (const warning of next.warnings) logger.warn("configuration", { problem: formatProblem(warning) });
      if (pendingKeys.length > 0) {
        logger.warn("some keys count only from the next start", { keys: pendingKeys });
      }
      this.#status = { ...this.#status, pendingKeys };
      return true;
    } catch (error) {
      this.#refuse(error, reason);
      return false;
    }
  }

  /** What another configuration would change. @throws {Error} when this daemon cannot tell */
  async plan(text: string, secureText: string | null): Promise<Foreseen> {
    const { service } = this.#options;
    if (service.plan === undefined) throw new Error("this daemon does not plan yet");
    const { config, problems } = await this.#parse(text, secureText);
    if (config === null) return { changes: [], problems: problems.map(formatProblem) };
    const refusals = refusalsOf(this.#status.config, config);
    if (refusals.length > 0) return { changes: [], problems: refusals.map(formatProblem) };
    const later = startOnlyKeys(this.#first, config).map((key) => ({
      kind: "restart",
      subject: key,
      reason: "it counts only from the next start of the daemon",
      destructive: false,
    }));
    return { changes: [...service.plan(config), ...later], problems: [] };
  }

  /** What is wrong or doubtful in another configuration. */
  async validate(text: string, secureText: string | null): Promise<readonly ConfigProblem[]> {
    const { config, problems } = await this.#parse(text, secureText);
    return config === null ? problems : [...problems, ...refusalsOf(this.#status.config, config)];
  }

  async #parse(text: string, secureText: string | null): Promise<ConfigReading> {
    const { env = {} } = this.#options.files;
    try {
      const secure = await this.#secure(secureText);
      const cloudOf = await readClouds(env);
      const before = this.#status.config;
      const folder = dirname(before.file);
      const options = { env, folder, ...secure, examine: true, cloudOf, before };
      const config = parseConfig(text, SENT.file, options);
      return { config: this.#adapted(config), problems: config.warnings };
    } catch (error) {
      if (error instanceof ConfigError) return { config: null, problems: error.problems };
      throw error;
    }
  }

  async #secure(sent: string | null): Promise<Pick<ParseOptions, "secure">> {
    if (sent !== null) return { secure: { text: sent, file: SENT.secureFile } };
    const { secureFile } = this.#options.files;
    if (secureFile === undefined) return {};
    return { secure: { text: await readText(secureFile, "-s"), file: secureFile } };
  }

  /** Ends what is under way and begins nothing more. */
  async close(): Promise<void> {
    this.#cancelRetry?.();
    this.#stopMetrics();
    await this.#turn;
    this.#cancelRetry?.();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result;
    return result;
  }

  #adapted(config: Config): Config {
    return this.#options.adapt?.(config) ?? config;
  }

  async #read(before: Config): Promise<Config> {
    const { clock, files, signal } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return this.#adapted(await loadConfig(before.file, { ...files, before }));
      } catch (error) {
        if (!(error instanceof MissingFileError) || attempt === MISSING_TRIES) throw error;
        await clock.sleep(MISSING_WAIT_MS, signal);
      }
    }
  }

  async #take(next: Config, generation: number): Promise<void> {
    const { clock, providers, service, signal } = this.#options;
    if (service.reconfigure === undefined) throw new Error("this daemon takes it at its next start only");
    const change = await providers.prepare(next);
    try {
      signal.throwIfAborted();
      const { released } = await service.reconfigure({
        config: next,
        providers: change.providers,
        unserved: change.unserved,
        generation,
      });
      change.take(released);
    } catch (error) {
      await change.drop();
      throw error;
    }
    this.#options.onTaken(next);
    this.#status = { ...this.#status, config: next, generation, loadedAt: clock.now() };
    this.#retryUnserved();
  }

  #refuse(error: unknown, reason: string): void {
    const { logger, signal } = this.#options;
    if (signal.aborted) return;
    const problems = error instanceof ConfigError ? error.problems.map(formatProblem) : [messageOf(error)];
    const isNews = problems.join("\n") !== this.#status.problems.join("\n");
    this.#settle(problems);
    if (isNews)
      logger.error("the changed configuration is not in force; the old one stays", { reason, problems });
  }

  #settle(problems: readonly string[]): void {
    this.#status = { ...this.#status, problems };
    this.#options.onValid(problems.length === 0);
  }

  #retryUnserved(): void {
    const { clock, logger, providers, service, signal } = this.#options;
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    const waiting = providers.unserved.filter(({ retryable }) => retryable);
    if (waiting.length === 0 || service.reconfigure === undefined || signal.aborted) {
      this.#failures = 0;
      return;
    }
    this.#failures += 1;
    this.#cancelRetry = clock.after(backoffDelay(this.#failures, RETRY), () => {
      void this.#inTurn(async () => {
        if (await this.#reload("providers are tried again")) return;
        const { config, generation } = this.#status;
        try {
          await this.#take(config, generation);
        } catch (error) {
          logger.warn("providers were not tried again", { error: messageOf(error) });
          this.#retryUnserved();
        }
      });
    });
  }
}

function observe(status: () => ConfigStatus): () => void {
  const meter = metrics.getMeter("nodepool");
  const generation = meter.createObservableGauge("nodepool.config.generation", {
    description: "How many configurations this process has had",
  });
  const valid = meter.createObservableGauge("nodepool.config.valid", {
    description: "1 when the file as it is now is in force, 0 when it cannot be used",
  });
  const watchGeneration = (result: { observe(value: number): void }) => result.observe(status().generation);
  const watchValid = (result: { observe(value: number): void }) =>
    result.observe(status().problems.length === 0 ? 1 : 0);
  generation.addCallback(watchGeneration);
  valid.addCallback(watchValid);
  return () => {
    generation.removeCallback(watchGeneration);
    valid.removeCallback(watchValid);
  };
}
