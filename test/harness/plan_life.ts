// A launcher on a fake cloud whose configuration is edited at random: what it plans for each edit is held against what
// then happens.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeNode, type NodeRecord, withNodeState } from "../../lib/model/node.ts";
import { nodePath, REQUESTS, ROOT, requestPath } from "../../lib/model/paths.ts";
import { encodeRequest, newRequest } from "../../lib/model/request.ts";
import { type Clock, systemClock } from "../../lib/std/clock.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../../lib/zookeeper/embedded/server.ts";
import { connectSession } from "../../lib/zookeeper/session.ts";
import { catchUp } from "../../lib/zookeeper/settle.ts";
import type { Random } from "../simulation/random.ts";
import { FakeProvider } from "./fake_provider.ts";
import { configOf, putImage, type Setting, startTestLauncher, type TestLauncher, until } from "./launcher.ts";

const CLOUDS = ["alpha", "beta"];
const LABELS = ["small", "large", "huge"];
/** Waits are conditions; this is how long one may take on a machine that is busy with other things too. */
const PATIENCE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** What an edit has done, or is to do, in words that can be compared. */
type Effects = readonly string[];

interface Seen {
  /** Each node's label and pool. */
  readonly nodes: ReadonlyMap<string, string>;
  readonly requests: ReadonlyMap<string, string>;
  readonly labels: ReadonlySet<string>;
}

export class PlanLife {
  readonly #random: Random;
  readonly #folder = mkdtempSync(join(tmpdir(), "nodepool-plan-"));
  readonly #clouds = new Map(CLOUDS.map((name) => [name, new FakeProvider(name)]));
  #server: EmbeddedServer | null = null;
  #launcher: TestLauncher | null = null;
  #shift = 0;
  #generation = 1;
  #setting: Setting | null = null;
  /** How many effects were planned, by their first word. */
  readonly counts: Record<string, number> = {};

  constructor(random: Random) {
    this.#random = random;
  }

  get #running(): TestLauncher {
    assert.ok(this.#launcher !== null, "it was not started");
    return this.#launcher;
  }

  async start(): Promise<void> {
    const server = await startEmbeddedServer({ dataDir: this.#folder, port: 0, logger: silentLogger });
    this.#server = server;
    const session = connectSession({
      servers: [{ host: server.host, port: server.port }],
      sessionTimeoutMs: 20_000,
      logger: silentLogger,
    });
    await session.connected();
    await session.ensurePath("/nodepool");
    await putImage(session, CLOUDS);
    await session.close();
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + this.#shift };
    this.#launcher = await startTestLauncher(server, this.#chooseSetting(), { clock });
    await this.#settle();
  }

  async end(): Promise<void> {
    await this.#launcher?.stop();
    await this.#server?.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Lets some life happen, plans an edit, makes it, and compares. */
  async edit(): Promise<void> {
    await this.#live();
    const setting = this.#chooseSetting();
    const next = configOf(setting);
    const planned = this.#planned(next);
    const before = this.#look();
    await this.#take(setting);
    const happened = () => this.#effects(before);
    const isSame = () => JSON.stringify(happened()) === JSON.stringify(planned);
    await until("what was planned", isSame, PATIENCE_MS).catch(() => assert.deepEqual(happened(), planned));
    await this.#settle();
    assert.deepEqual(happened(), planned);
    for (const effect of planned) {
      const [kind = ""] = effect.split(" ");
      this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    }
  }

  async #take(setting: Setting): Promise<void> {
    this.#generation += 1;
    const providers = setting.providers.map(({ driver }) => driver);
    const next = { config: configOf(setting), providers, unserved: [], generation: this.#generation };
    await this.#running.service.reconfigure?.(next);
    this.#setting = setting;
  }

  /** Each label is in one pool at most: which of several pools takes which request is a matter of moments. */
  #chooseSetting(): Setting {
    const random = this.#random;
    const names = CLOUDS.filter(() => random.chance(0.85));
    const places = names.flatMap((cloud) => ["main", "other"].map((pool) => `${cloud}/${pool}`));
    const offers = new Map(places.map((place) => [place, [] as string[]]));
    for (const label of places.length === 0 ? [] : LABELS)
      if (random.chance(0.85)) offers.get(random.pick(places))?.push(label);
    const labels = LABELS.map((label) => {
      const limits = { minReady: random.pick([0, 0, 1, 2, 4]), maxReadyAge: random.pick([0, 0, 4000]) };
      return [label, limits] as const;
    });
    const providers = names.flatMap((cloud) => {
      const driver = this.#clouds.get(cloud);
      const pools = [...offers]
        .filter(([place]) => place.startsWith(`${cloud}/`) && random.chance(0.9))
        .map(([place, labels]) => ({
          name: place.slice(cloud.length + 1),
          offers: labels,
          maxServers: random.pick([Infinity, Infinity, 5, 3, 0]),
        }));
      return driver === undefined ? [] : [{ driver, pools }];
    });
    return { labels: Object.fromEntries(labels), providers };
  }

  /** Requests come, nodes are returned, time passes. */
  async #live(): Promise<void> {
    const { session, view } = this.#running;
    const random = this.#random;
    for (let count = random.below(3); count > 0; count -= 1) {
      const nodeTypes = [random.pick(LABELS)];
      const record = newRequest(systemClock.now() / 1000, { nodeTypes, requestor: "zuul" });
      await session.create(`${REQUESTS}/200-`, encodeRequest(record), "persistent-sequential");
    }
    await view.settled();
    await this.#settle();
    for (const { id, record } of [...view.requests()]) {
      if (record === null || record.state === "requested" || random.chance(0.5)) continue;
      for (const node of record.nodes) {
        const entry = view.node(node);
        if (!entry?.record || entry.record.allocatedTo !== id) continue;
        const used = withNodeState(entry.record, "used", systemClock.now() / 1000);
        await session.set(nodePath(node), encodeNode(used), entry.version);
      }
      await session.delete(requestPath(id), -1);
    }
    await view.settled();
    this.#shift += random.pick([0, 0, HOUR_MS, 2 * HOUR_MS]);
    if (this.#setting !== null) await this.#take(this.#setting);
    await this.#settle();
  }

  #look(): Seen {
    const { view } = this.#running;
    const place = (record: NodeRecord | null) =>
      `${record?.type.join()} at ${record?.provider}/${record?.pool}`;
    return {
      nodes: new Map(Array.from(view.nodes(), ({ id, record }) => [id, place(record)])),
      requests: new Map(Array.from(view.requests(), ({ id, record }) => [id, record?.state ?? "unreadable"])),
      labels: new Set(Array.from(view.pools()).flatMap(({ record }) => record?.supportedLabels ?? [])),
    };
  }

  #planned(next: ReturnType<typeof configOf>): Effects {
    const plan = this.#running.service.plan?.(next) ?? [];
    const compared = plan.flatMap(({ kind, subject }) => {
      if (kind === "quota" || kind === "drain") return [];
      if (kind === "launch") {
        const [, count = "0", what = ""] = /^(\d+) of (.*)$/.exec(subject) ?? [];
        return Array.from({ length: Number(count) }, () => `launch ${what}`);
      }
      return [`${kind} ${subject.replace(/ \(.*\)$/, "")}`];
    });
    return compared.sort();
  }

  #effects(before: Seen): Effects {
    const after = this.#look();
    const launched = [...after.nodes].filter(([id]) => !before.nodes.has(id));
    const gone = [...before.nodes.keys()].filter((id) => !after.nodes.has(id));
    const ends = { fulfilled: "serve-request", failed: "drop-request" } as Record<string, string>;
    const ended = [...before.requests].flatMap(([id, state]) => {
      const word = ends[after.requests.get(id) ?? ""];
      return state === "requested" && word !== undefined ? [`${word} ${id}`] : [];
    });
    return [
      ...launched.map(([, place]) => `launch ${place}`),
      ...gone.map((id) => `delete-node ${id}`),
      ...ended,
      ...[...after.labels]
        .filter((label) => !before.labels.has(label))
        .map((label) => `serve-label ${label}`),
      ...[...before.labels].filter((label) => !after.labels.has(label)).map((label) => `drop-label ${label}`),
    ].sort();
  }

  /** Waits until nothing is under way and nothing changes any more. */
  async #settle(): Promise<void> {
    const launcher = this.#running;
    const { view } = launcher;
    const isServed = (name: string) =>
      this.#setting === null || this.#setting.providers.some(({ driver }) => driver.name === name);
    const isAtRest = () =>
      Array.from(view.nodes()).every(
        // Nobody looks after nodes of a provider that is gone.
        ({ record }) => record?.state === "ready" || !isServed(record?.provider ?? ""),
      ) &&
      Array.from(view.requests()).every(
        ({ record, lock }) => record?.state !== "pending" && lock.contenders.length === 0,
      );
    let last = "";
    let calm = 0;
    await until(
      "rest",
      async () => {
        // What the launcher has sent is carried out before this, however long the disk takes.
        await catchUp(launcher, ROOT);
        const seen = JSON.stringify([
          Array.from(view.nodes(), ({ id, version }) => [id, version]),
          Array.from(view.requests(), ({ id, version }) => [id, version]),
          Array.from(view.pools(), ({ znode, version }) => [znode, version]),
        ]);
        calm = isAtRest() && seen === last ? calm + 1 : 0;
        last = seen;
        return calm >= 8;
      },
      PATIENCE_MS,
    );
  }
}

/** Lives through so many edits. What went wrong names the edit. */
export async function editAtRandom(random: Random, edits: number): Promise<Record<string, number>> {
  const life = new PlanLife(random);
  try {
    await life.start();
    for (let count = 1; count <= edits; count += 1) {
      await life.edit().catch((error: unknown) => {
        throw new Error(`edit ${count}: ${(error as Error).message}`, { cause: error });
      });
    }
    return life.counts;
  } finally {
    await life.end();
  }
}
