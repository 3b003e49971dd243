// A metastatic provider over a provider in memory, as settings of a test's launcher, and what its nodes stand on.
import assert from "node:assert/strict";
import type { PoolConfig } from "../../lib/config/types.ts";
import { shareOf } from "../../lib/model/shared_node.ts";
import type { Provider } from "../../lib/provider/contract.ts";
import { MetastaticProvider } from "../../lib/provider/metastatic/metastatic_provider.ts";
import { systemClock } from "../../lib/std/clock.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { type Setting, type TestLauncher, until } from "./launcher.ts";
import { ask, fulfilled, idOf, release } from "./launcher_case.ts";

/** A label's keys as the configuration has them; `backing-label` is "large" unless said otherwise. */
export type LabelSettings = Readonly<Record<string, string | number>>;

type PoolLabel = PoolConfig["labels"][number];

function poolLabel(name: string, settings: LabelSettings, hostKeyChecking: boolean): PoolLabel {
  return {
    name,
    diskimage: null,
    cloudImage: null,
    hostKeyChecking,
    consoleLog: false,
    settings: { "backing-label": "large", "max-parallel-jobs": 2, "grace-time": 0, ...settings },
  };
}

/**
 * The provider "meta" with these labels, over `cloud` with the labels small and large; `closed` are labels of a pool
 * before that is switched off.
 */
export function shared(
  cloud: Provider,
  labels: Readonly<Record<string, LabelSettings>>,
  more: {
    hostKeyChecking?: boolean;
    launchRetries?: number;
    launchTimeout?: number;
    closed?: Readonly<Record<string, LabelSettings>>;
  } = {},
): Setting {
  const poolOf = (name: string, given: Readonly<Record<string, LabelSettings>>) => ({
    name,
    offers: Object.keys(given),
    nodeAttributes: { metaattr: "meta", testattr: "metastatic" },
    labels: Object.entries(given).map(([label, settings]) =>
      poolLabel(label, settings, more.hostKeyChecking ?? false),
    ),
  });
  const pool = poolOf("main", labels);
  const closed = more.closed === undefined ? [] : [{ ...poolOf("closed", more.closed), maxServers: 0 }];
  const pools = [...closed, pool];
  const config = {
    driver: "metastatic",
    managesImages: false,
    launchRetries: more.launchRetries ?? 3,
    launchTimeout: more.launchTimeout ?? 30,
  };
  const meta = new MetastaticProvider({ name: "meta", pools }, { clock: systemClock, logger: silentLogger });
  const backing = {
    name: "main",
    offers: ["small", "large"],
    nodeAttributes: { backattr: "back", testattr: "backing" },
  };
  return {
    labels: { small: {}, large: {}, ...Object.fromEntries(pool.offers.map((name) => [name, {}])) },
    providers: [
      { driver: cloud, pools: [backing] },
      { driver: meta, pools, config },
    ],
  };
}

/** The record of a node that must be there. */
export function recordOf(launcher: TestLauncher, id: string) {
  const record = launcher.view.node(id)?.record;
  assert.ok(record, `node ${id} is gone`);
  return record;
}

/** Asks for a node of a label and waits for it. */
export async function take(launcher: TestLauncher, label = "share") {
  const request = await ask(launcher, [label]);
  const [node] = await fulfilled(launcher, request);
  const id = idOf(node?.name);
  const share = shareOf(recordOf(launcher, id));
  assert.ok(share, `node ${id} has no share`);
  return { request, id, node, backing: share.backingNode, slot: share.slot };
}

/** The ids of the nodes beneath. */
export const backingOf = (launcher: TestLauncher) =>
  [...launcher.view.nodes()].filter(({ record }) => record?.provider === "cloud").map(({ id }) => id);

/** Waits until exactly these nodes are beneath. */
export async function untilBacking(launcher: TestLauncher, ...ids: string[]): Promise<void> {
  await until(`backing nodes ${ids.join()}`, () => backingOf(launcher).sort().join() === ids.sort().join());
}

/** Returns a node and waits until it is gone. */
export async function give(launcher: TestLauncher, node: { request: string; id: string }): Promise<void> {
  await release(launcher, node.request);
  await until(`node ${node.id} gone`, () => launcher.view.node(node.id) === undefined);
}
