// What the engine knows before it has decided with a configuration; its decisions are tested with launchers.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newRequest } from "../../lib/model/request.ts";
import { host, hostPool, slotNode } from "../../test/harness/host_world.ts";
import { request, world } from "../../test/harness/world.ts";
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
  function begun({ setPaused = () => {}, nodesOf = () => [] as never[] } = {}) {
    const seen = world({});
    const requests = new Map([poisoned("200-1"), request("200-2")].map((one) => [one.id, one]));
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
      view: { ...tree, current: true },
      config: { ...seen.config, providers: [] },
      session: { state: "connected" },
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
      kick: () => engine.kick(),
      metrics: {},
    } as unknown as Environment;
    const engine = new Engine(environment, { shows: () => true, setPaused } as unknown as Components);
    return { engine, lines, timers, begun };
  }

  /** A request whose labels cannot be read. */
  function poisoned(id: string) {
    const record = new Proxy(newRequest(0, {}), {
      get: (target, key) => {
        if (key === "nodeTypes") throw new Error("poison");
        return Reflect.get(target, key);
      },
    });
    return { ...request(id), record };
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
