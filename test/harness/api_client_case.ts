// An {@link ApiClient} at a scripted OpenStack, with a clock that does not wait. It ends after the last test of the file.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { resolveCloud } from "../../lib/config/clouds/cloud.ts";
import { readCloudFiles } from "../../lib/config/clouds/files.ts";
import { ApiClient } from "../../lib/provider/openstack/api_client.ts";
import { HttpConnections } from "../../lib/provider/openstack/http.ts";
import { type Clock, systemClock } from "../../lib/std/clock.ts";
import { type Logger, silentLogger } from "../../lib/std/logger.ts";
import { type Script, type ScriptOptions, startScriptedOpenStack } from "./scripted_openstack.ts";

const cleanups: (() => Promise<void> | void)[] = [];
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

/** A clock whose sleeps end at once and are noted. */
function hasty(): { clock: Clock; sleeps: number[]; advance(milliseconds: number): void } {
  const sleeps: number[] = [];
  let now = 1_000_000;
  const clock: Clock = {
    now: () => now,
    sleep: async (milliseconds, signal) => {
      signal?.throwIfAborted();
      sleeps.push(milliseconds);
      now += milliseconds;
    },
    after: systemClock.after,
  };
  return {
    clock,
    sleeps,
    advance: (milliseconds) => {
      now += milliseconds;
    },
  };
}

/** The client, the cloud that it calls, what it has warned of, and its clock. */
export async function setUp(script: Script, options: ScriptOptions & { rate?: number; more?: string } = {}) {
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (message) => warnings.push(message) };
  const cloud = await startScriptedOpenStack(script, options);
  const folder = await mkdtemp(join(tmpdir(), "nodepool-clouds-"));
  const path = join(folder, "clouds.yaml");
  await writeFile(path, cloud.cloudsYaml(options.more));
  const env = { OS_CLIENT_CONFIG_FILE: path };
  const resolved = resolveCloud(await readCloudFiles(env), env, "scripted", null);
  const connections = await HttpConnections.open(resolved, {}, systemClock);
  const time = hasty();
  const closing = new AbortController();
  const api = new ApiClient({
    provider: "p",
    cloud: resolved,
    connections,
    rate: options.rate ?? 0,
    clock: time.clock,
    logger,
    closing: closing.signal,
  });
  cleanups.push(async () => {
    connections.close();
    await cloud.close();
    await rm(folder, { recursive: true });
  });
  return { api, cloud, closing, warnings, ...time };
}
