// What the engine knows before it has decided with a configuration; its decisions are tested with launchers.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NodeEntry, ViewChange } from "../../lib/zookeeper/view.ts";
import { host, hostPool, slotNode } from "../../test/harness/host_world.ts";
import { node, request, world } from "../../test/harness/world.ts";
import type { Components } from "./components.ts";
import { Engine } from "./engine.ts";
import type { Environment } from "./environment.ts";
import { HandState } from "./state.ts";

describe("an engine with another configuration that ZooKeeper does not show yet", () => {
  const seen = world({
    pools: [hostPool("lab/main", [host()])],
    nodes: [slotNode("0001", "ready", 0, { allocatedTo: "200-1" })],
    requests: [request("200-1", { state: "pending" })],
  });
  const hand = new HandState(
    () => seen.now,
    () => 0.5,
  );
  const view = { ...seen.tree, current: true };
  const context = { view, config: seen.config, providers: [], session: { state: "connected" } };
  const environment = { context, pools: seen.pools, hand } as unknown as Environment;
  const components = { shows: () => false } as unknown as Components;
  const engine = new Engine(environment, components);
  engine.reload();

  it("knows the slots of nodes that are being deleted, else their records would not be replaced", () => {
    assert.equal(engine.hosts.slotOf("0001")?.host.name, "h");
  });

  it("knows the nodes of requests that are being released, else they would not go with their lease", () => {
    assert.deepEqual(
      engine.nodesOf("200-1").map(({ id }) => id),
      ["0001"],
    );
  });
});

describe("an engine", () => {
  /** An engine that may do nothing but decide, what it logs and which of its timers (milliseconds) run. */
  function begun({
    setPaused = () => {},
    nodesOf = () => [] as never[],
    field = "nodeTypes",
    nodes = [] as NodeEntry[],
  } = {}) {
    const seen = world({ nodes });
    const requests = new Map(
      [poisoned(request("200-1"), field), request("200-2")].map((one) => [one.id, one]),
    );
    const tree = {
      ...seen.tree,
      request: (id: string) => requests.get(id),
      requests: () => requests.values(),
    };
    const hand = new HandState(
      () => seen.now,
      () => 0.5,
    );
    const [lines, timers, begun]: [string[], number[], string[]] = [[], [], []];
    const listeners: ((change: ViewChange) => void)[] = [];
    const error = (message: string, fields: object) =>
      void lines.push(`${message} ${JSON.stringify(fields)}`);
    const clock = {
      now: () => seen.now * 1000,
      after: (milliseconds: number) => {
        timers.push(milliseconds);
        return () => void timers.splice(timers.indexOf(milliseconds), 1);
      },
    };
    const context = {
      view: {
        ...tree,
        current: true,
        subscribe: (listener: (typeof listeners)[number]) => void listeners.push(listener),
        onCurrent: () => {},
      },
      config: { ...seen.config, providers: [] },
      providers: [{ name: "cloud" }],
      session: { state: "connected", onState: () => {} },
      unserved: new Map(),
      logger: { error },
      clock,
    };
    const tasks = { start: (name: string) => void begun.push(name) };
    const chains = { link: () => [] };
    const environment = {
      context,
      pools: seen.pools,
      hand,
      tasks,
      chains,
      nodesOf,
      requestIds: { update: () => {} },
      kick: () => engine.kick(),
      metrics: {},
    } as unknown as Environment;
    const engine = new Engine(environment, { shows: () => true, setPaused } as unknown as Components);
    const tell = (change: ViewChange) => {
      for (const listener of listeners) listener(change);
    };
    return { engine, lines, timers, begun, tell };
  }

  /** An entry with a record of which a field cannot be read. */
  function poisoned<T extends object>(
    entry: { readonly record: T | null } & Omit<NodeEntry, "record">,
    field: string,
  ) {
    const { record } = entry;
    assert.ok(record !== null);
    const broken = new Proxy(record, {
      get: (target, key) => {
        if (key === field) throw new Error("poison");
        return Reflect.get(target, key);
      },
    });
    return { ...entry, record: broken };
  }

  const passed = () => new Promise((resolve) => setImmediate(resolve));

  it("serves a request beside one about which deciding throws, and says so in the log", async () => {
    const { engine, lines, begun: actions } = begun();
    engine.kick();
    await passed();
    assert.deepEqual(actions, ["serve request:200-2"]);
    assert.deepEqual(lines, ['deciding failed {"subject":"request:200-1","error":{},"next":60}']);
    assert.equal(engine.reasonOf("200-1"), "it cannot be decided because of an error: poison");
  });

  it("goes on after a pass that throws as a whole, and tells who watches all the same", async () => {
    let fails = true;
    const setPaused = () => {
      if (fails) throw new Error("poison");
    };
    const { engine, lines, timers } = begun({ setPaused });
    const told: string[] = [];
    engine.watchRequest("200-1", () => {
      throw new Error("poison");
    });
    engine.watchRequest("200-1", () => told.push("200-1"));
    engine.kick();
    await passed();
    assert.equal(lines.at(-1), 'deciding failed {"error":{},"next":10}');
    assert.deepEqual(timers, [10_000]);
    fails = false;
    engine.kick();
    await passed();
    assert.deepEqual(told, ["200-1"]);
    assert.equal(lines.at(-1), 'a listener to a request or node failed {"request":"200-1","error":{}}');
    assert.ok(timers.length === 1 && timers[0] !== 10_000);
  });

  it("begins though what it notes of each request throws for one, and decides after a change that it cannot note", async () => {
    const {
      engine,
      lines,
      begun: actions,
      tell,
    } = begun({
      field: "requestorData",
      nodes: [poisoned(node("0001", "used"), "extra")],
    });
    engine.start();
    await passed();
    assert.deepEqual(actions, ["serve request:200-2"]);
    const failed = (subject: string) => `deciding failed {"subject":"${subject}","error":{},"next":60}`;
    const both = ["node:0001", "request:200-1"].map(failed);
    assert.deepEqual(lines.splice(0), [...both, ...both.reverse()]);
    // The tree logs what a listener throws.
    assert.throws(() => tell({ kind: "request", id: "200-1" }), /poison/);
    await passed();
    assert.deepEqual(lines, [failed("request:200-1")]);
  });

  it("decides anew about what could not be begun", async () => {
    let fails = true;
    const nodesOf = () => {
      if (fails) throw new Error("poison");
      return [];
    };
    const { engine, lines, begun: actions } = begun({ nodesOf });
    engine.kick();
    await passed();
    assert.ok(lines.includes('action failed {"action":"serve","subject":"request:200-2","error":"poison"}'));
    assert.deepEqual(actions, []);
    fails = false;
    await passed();
    assert.deepEqual(actions, ["serve request:200-2"]);
  });
});
