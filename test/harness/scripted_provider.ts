// A provider of OpenStack on a cloud that answers by a script, and what such scripts are made of.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { parseConfig } from "../../lib/config/load.ts";
import { type InstanceSpec, METADATA, type Provider } from "../../lib/provider/contract.ts";
import { openOpenStackProvider } from "../../lib/provider/openstack/openstack_provider.ts";
import { type Clock, systemClock } from "../../lib/std/clock.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { type Script, type ScriptOptions, startScriptedOpenStack } from "./scripted_openstack.ts";

const cleanups: (() => Promise<void>)[] = [];
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

/** The system's clock, whose sleeps take a hundredth of their time and which runs a hundred times as fast. */
export function fastClock(): Clock {
  const start = systemClock.now();
  return {
    now: () => start + (systemClock.now() - start) * 100,
    sleep: (milliseconds, signal) => systemClock.sleep(milliseconds / 100, signal),
    after: (milliseconds, callback) => systemClock.after(milliseconds, callback),
  };
}

/** How the provider is configured. */
export interface Given extends ScriptOptions {
  /** Keys of the label, the pool and the provider, as YAML in one line. */
  readonly label?: string;
  readonly pool?: string;
  readonly provider?: string;
  /** @default {@link fastClock} */
  readonly clock?: Clock;
  /** Hears that what is wrong with the provider has changed. */
  readonly onProblem?: () => void;
  /** Whether nodes can be reached over IPv6. @default what this machine has */
  readonly hasIpv6?: () => boolean;
}

/** A provider `p` that must still be started, with the label `small` of the pool `main`. */
export async function setUp(script: Script, given: Given = {}) {
  const cloud = await startScriptedOpenStack(script, given);
  const folder = await mkdtemp(join(tmpdir(), "nodepool-openstack-"));
  await writeFile(join(folder, "clouds.yaml"), cloud.cloudsYaml());
  const text = [
    "labels: [{name: small}]",
    "diskimages: [{name: img}]",
    "providers:",
    `  - {name: p, driver: openstack, cloud: scripted, rate: 0, diskimages: [{name: img}], ${given.provider ?? ""}`,
    `     pools: [{name: main, auto-floating-ip: false, ${given.pool ?? ""}`,
    `       labels: [{name: small, ${given.label ?? "diskimage: img, min-ram: 64"}}]}]}`,
  ].join("\n");
  const [config] = parseConfig(text, "nodepool.yaml").providers;
  assert.ok(config);
  const options = {
    logger: silentLogger,
    clock: given.clock ?? fastClock(),
    stateDir: null,
    ownsInstances: false,
    hostsInstances: false,
    env: { OS_CLIENT_CONFIG_FILE: join(folder, "clouds.yaml") },
    onProblem: given.onProblem ?? (() => {}),
  };
  const provider = openOpenStackProvider(config, options, given.hasIpv6);
  cleanups.push(async () => {
    await provider.stop();
    await cloud.close();
    await rm(folder, { recursive: true });
  });
  return { cloud, provider };
}

/** Of every call. */
export const signal = AbortSignal.timeout(60_000);
/** A launch of the node 0000000001. */
export const spec = (changes: Partial<InstanceSpec> = {}): InstanceSpec => ({
  name: "np0000000001",
  pool: "main",
  label: "small",
  imageExternalId: "image-1",
  username: null,
  az: null,
  request: null,
  metadata: { [METADATA.provider]: "p", [METADATA.node]: "0000000001", [METADATA.launchToken]: "t1" },
  ...changes,
});

/** Its server as Nova shows it. */
export const server = (changes: Readonly<Record<string, unknown>> = {}) => ({
  id: "s1",
  name: "np0000000001",
  status: "ACTIVE",
  metadata: spec().metadata,
  addresses: { inside: [{ addr: "10.0.0.5", version: 4, "OS-EXT-IPS:type": "fixed" }] },
  ...changes,
});

/** A Nova whose create puts a server into the list and answers `created`. */
export function novaWith(
  created: { status: number; body?: unknown; isLost?: boolean },
  made: Readonly<Record<string, unknown>> | null = server(),
) {
  const list: Readonly<Record<string, unknown>>[] = [];
  const script: Script = ({ method, path }) => {
    if (path.startsWith("/servers/detail")) return { status: 200, body: { servers: list } };
    if (method === "POST" && path === "/servers") {
      if (made !== null) list.push(made);
      return created;
    }
    if (method === "DELETE" && path.startsWith("/servers/")) {
      list.splice(0);
      return { status: 204 };
    }
    return undefined;
  };
  return { list, script };
}

/** Nova's answer to a create that it takes. */
export const accepted = { status: 202, body: { server: { id: "s1" } } };
/** Launches the node. */
export const create = (provider: Provider, changes: Partial<InstanceSpec> = {}) =>
  provider.createInstance(spec(changes), async () => {}, signal);
