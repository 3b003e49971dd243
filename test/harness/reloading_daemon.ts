// A daemon's part that takes changed configurations: with a file, providers and a service that note what happens to them.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { loadConfig } from "../../lib/config/load.ts";
import type { Config } from "../../lib/config/types.ts";
import { ProviderSet } from "../../lib/daemon/provider_set.ts";
import { Reloader } from "../../lib/daemon/reload.ts";
import type { NextConfig, Service } from "../../lib/daemon/types.ts";
import { type Provider, ProviderError } from "../../lib/provider/contract.ts";
import { type Clock, systemClock } from "../../lib/std/clock.ts";
import { type Logger, silentLogger } from "../../lib/std/logger.ts";

/** Where its files are. */
export const folder = mkdtempSync(join(tmpdir(), "nodepool-reload-"));
after(() => rmSync(folder, { recursive: true }));

let count = 0;

/** Its clouds.yaml, which is not there at first. */
export const CLOUDS = join(folder, "clouds.yaml");
const files = { env: { OS_CLIENT_CONFIG_FILE: CLOUDS } };

interface Ways {
  readonly broken?: Set<string>;
  readonly refuses?: () => boolean;
  /** When what is in hand with providers that leave has ended. @default at once */
  readonly released?: Promise<void>;
  readonly adapt?: (config: Config) => Config;
  /** What happens while it pauses for the so-manieth time. */
  readonly whilePausing?: (count: number) => void;
}

/** A daemon with its file; what happens to its providers is written into `events`. */
export async function reloadingDaemon(first: string, ways: Ways = {}) {
  count += 1;
  const file = join(folder, `${count}.yaml`);
  writeFileSync(file, first);
  const events: string[] = [];
  const taken: Config[] = [];
  const servers: string[] = [];
  const planned: Config[] = [];
  const errors: string[] = [];
  const timers: (() => void)[] = [];
  const pauses: number[] = [];
  const clock: Clock = {
    ...systemClock,
    sleep: async (milliseconds) => {
      pauses.push(milliseconds);
      ways.whilePausing?.(pauses.length);
    },
    after: (_milliseconds, callback) => {
      timers.push(callback);
      return () => void timers.splice(timers.indexOf(callback), 1);
    },
  };
  const logger: Logger = {
    ...silentLogger,
    child: () => logger,
    error: (message) => void errors.push(message),
  };
  const { signal } = new AbortController();
  const providers = new ProviderSet({
    logger,
    clock,
    signal,
    patienceMs: 0,
    open: async ({ name, maxConcurrency }) => {
      const id = `${name}/${maxConcurrency}`;
      const provider: Partial<Provider> = {
        name,
        start: async () => {
          if (ways.broken?.has(name)) throw new ProviderError("it is down", { retryable: true });
          events.push(`start ${id}`);
        },
        stop: async () => void events.push(`stop ${id}`),
        describe: () => ({ summary: id, problem: null }),
      };
      return provider as Provider;
    },
  });
  const config = await loadConfig(file, files);
  const change = await providers.prepare(config);
  change.take(Promise.resolve());
  const service: Service = {
    rpc: [],
    plan: (next) => {
      planned.push(next);
      return [];
    },
    stop: async () => {},
    reconfigure: async (next: NextConfig) => {
      taken.push(next.config);
      if (ways.refuses?.()) throw new Error("it cannot take this");
      const names = next.providers.map((provider) => provider.describe().summary);
      events.push(`take ${names.join(" ")}`);
      return { released: ways.released ?? Promise.resolve() };
    },
  };
  const valid: boolean[] = [];
  const onValid = (isValid: boolean) => void valid.push(isValid);
  const onTaken = ({ zookeeper }: Config) =>
    void servers.push((zookeeper?.servers ?? []).map(({ host }) => host).join());
  const reloader = new Reloader({
    config,
    files,
    ...(ways.adapt === undefined ? {} : { adapt: ways.adapt }),
    clock,
    logger,
    signal,
    providers,
    service,
    onTaken,
    onValid,
  });
  const write = (text: string) => writeFileSync(file, text);
  const remove = () => rmSync(file);
  /** Lets what waits to be tried again be tried. */
  const retry = async () => {
    const [timer] = timers.splice(0);
    if (timer === undefined) throw new Error("there is no retry");
    timer();
    await reloader.reload("wait for the turn");
  };
  return {
    reloader,
    taken,
    retry,
    providers,
    servers,
    planned,
    write,
    remove,
    events,
    errors,
    valid,
    timers,
    pauses,
  };
}
