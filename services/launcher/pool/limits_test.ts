import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type Instance, METADATA, type Provider, type Resources } from "../../../lib/provider/contract.ts";
import { silentLogger } from "../../../lib/std/logger.ts";
import { TaskGroup } from "../../../lib/std/task_group.ts";
import { manualClock } from "../../../lib/zookeeper/contract/manual_clock.ts";
import { node } from "../../../test/harness/world.ts";
import type { Environment } from "../environment.ts";
import { HandState } from "../state.ts";
import { LimitsWatch } from "./limits.ts";

/** A call that is never answered. */
const never = () => new Promise<never>(() => {});

/** A provider `cloud` that answers as it is told. */
function scripted(
  limits: () => Promise<Resources>,
  instances: { readonly own?: readonly Instance[]; readonly foreign?: readonly Instance[] } = {},
) {
  let asked = 0;
  const driver = {
    name: "cloud",
    limits: async () => {
      asked += 1;
      return await limits();
    },
    listInstances: async () => instances.own ?? [],
    foreignInstances: async () => instances.foreign ?? [],
  } as unknown as Provider;
  return { driver, asked: () => asked };
}

/** An instance with what it takes, of this node of ours or of somebody else. */
function instance(externalId: string, resources: Resources, of?: string): Instance {
  const metadata = of === undefined ? {} : { [METADATA.node]: of };
  return { externalId, name: externalId, state: "running", metadata, resources } as Instance;
}

describe("a provider's limits", () => {
  const running: TaskGroup[] = [];
  afterEach(async () => {
    for (const tasks of running.splice(0)) await tasks.close();
  });

  /** A watch of limits in a launcher that knows the node 0001. */
  function begin() {
    const { clock, advance } = manualClock();
    const nodes = [node("0001", "ready", { externalId: "i-1" })];
    const view = {
      ready: async () => {},
      settled: async () => {},
      subscribe: () => () => {},
      node: (id: string) => nodes.find((one) => one.id === id),
      nodes: () => nodes.values(),
    };
    const warnings: unknown[] = [];
    const logger = {
      ...silentLogger,
      warn: (message: string, fields = {}) => warnings.push({ message, ...fields }),
    };
    const tasks = new TaskGroup((error) => assert.fail(String(error)));
    running.push(tasks);
    const hand = new HandState(
      () => 0,
      () => 0,
    );
    let kicks = 0;
    const kick = () => {
      kicks += 1;
    };
    const context = { clock, view, logger, session: { sync: async () => {} } };
    const watch = new LimitsWatch({ context, hand, tasks, kick } as unknown as Environment);
    const follow = async (...drivers: Provider[]) => {
      watch.follow(drivers);
      await turn();
    };
    const pass = async (seconds: number) => {
      advance(seconds * 1000, seconds * 1000);
      await turn();
    };
    return { watch, hand, tasks, follow, pass, warnings, kicks: () => kicks };
  }

  it("are asked for at once, and then once a minute", async () => {
    const { follow, pass } = begin();
    const { driver, asked } = scripted(async () => ({}));
    await follow(driver);
    assert.equal(asked(), 1);
    await pass(59);
    assert.equal(asked(), 1);
    await pass(1);
    assert.equal(asked(), 2);
    await pass(60);
    assert.equal(asked(), 3);
  });

  it("are asked for at once when it is wished", async () => {
    const { watch, follow, pass } = begin();
    const { driver, asked } = scripted(async () => ({}));
    await follow(driver);
    await pass(1);
    watch.refresh("cloud");
    await turn();
    assert.equal(asked(), 2);
  });

  it("are asked for once more when that is wished while they are being asked for", async () => {
    const { watch, follow } = begin();
    const answer = Promise.withResolvers<Resources>();
    const { driver, asked } = scripted(() => answer.promise);
    await follow(driver);
    watch.refresh("cloud");
    assert.equal(asked(), 1);
    answer.resolve({});
    await turn();
    assert.equal(asked(), 2);
  });

  it("are asked for no longer when it is not served any more", async () => {
    const { follow, pass } = begin();
    const { driver, asked } = scripted(async () => ({}));
    await follow(driver);
    await follow();
    await pass(60);
    assert.equal(asked(), 1);
  });

  it("lead to a new decision each time that they are told", async () => {
    const { follow, pass, kicks } = begin();
    await follow(scripted(async () => ({ cores: 8 })).driver);
    const before = kicks();
    await pass(60);
    assert.equal(kicks(), before + 1);
  });

  it("hold launches up until they are known", async () => {
    const { hand, follow } = begin();
    const { promise, resolve } = Promise.withResolvers<Resources>();
    await follow(scripted(() => promise).driver);
    assert.deepEqual([...hand.asking], ["cloud"]);
    resolve({ instances: 1 });
    await turn();
    assert.deepEqual([...hand.asking], []);
  });

  it("hold launches up for ten seconds at most", async () => {
    const { hand, follow, pass, kicks } = begin();
    await follow(scripted(never).driver);
    await pass(9);
    assert.deepEqual([[...hand.asking], kicks()], [["cloud"], 0]);
    await pass(1);
    assert.deepEqual([[...hand.asking], kicks()], [[], 1]);
  });

  it("lead to no decision of a launcher that stopped before it asked for them", async () => {
    const { watch, tasks, pass, kicks } = begin();
    watch.follow([scripted(never).driver]);
    await tasks.close();
    await pass(10);
    assert.equal(kicks(), 0);
  });

  it("hold launches up until they are known of those with which it is served anew", async () => {
    const { hand, follow } = begin();
    await follow(scripted(never).driver);
    await follow(scripted(never).driver);
    assert.deepEqual([...hand.asking], ["cloud"]);
  });

  it("that are not told within a minute are asked for again after another one", async () => {
    const { follow, pass, warnings } = begin();
    const { driver, asked } = scripted(never);
    await follow(driver);
    await pass(60);
    const error = "no answer in 60 s";
    const message = "the provider's limits are not known; the last known ones count";
    assert.deepEqual(warnings, [{ message, provider: "cloud", error }]);
    await pass(60);
    assert.equal(asked(), 2);
  });

  it("are the last known ones while it cannot be asked", async () => {
    const { hand, follow, pass, warnings } = begin();
    const answers: (() => Promise<Resources>)[] = [
      async () => ({ instances: 3 }),
      async () => assert.fail("503: out of order"),
    ];
    const foreign = [instance("theirs", { cores: 4 })];
    const { driver } = scripted(async () => (await answers.shift()?.()) ?? { instances: 5 }, { foreign });
    await follow(driver);
    await pass(60);
    assert.equal(warnings.length, 1);
    assert.deepEqual(hand.limits.get("cloud"), { instances: 3 });
    assert.deepEqual(hand.foreign.get("cloud"), { instances: 1, cores: 4 });
    await pass(60);
    assert.deepEqual(hand.limits.get("cloud"), { instances: 5 });
  });

  it("count what others take, by every resource", async () => {
    const { hand, follow } = begin();
    const foreign = [
      instance("theirs", { cores: 4, ram: 8192 }),
      instance("others", { cores: 2, volumes: 1 }),
    ];
    await follow(scripted(async () => ({ cores: 8 }), { foreign }).driver);
    assert.deepEqual(hand.foreign.get("cloud"), { instances: 2, cores: 6, ram: 8192, volumes: 1 });
  });

  it("count what instances of ours take whose node nobody knows, and not those of nodes", async () => {
    const { hand, follow } = begin();
    const own = [instance("i-1", { cores: 16 }, "0001"), instance("i-9", { cores: 2 }, "0009")];
    await follow(scripted(async () => ({ cores: 32 }), { own }).driver);
    assert.deepEqual(hand.foreign.get("cloud"), { instances: 1, cores: 2 });
  });

  it("do not count a node's instance of which it cannot tell whose it is", async () => {
    const { hand, follow } = begin();
    const foreign = [instance("i-1", { cores: 16 })];
    await follow(scripted(async () => ({ cores: 32 }), { foreign }).driver);
    assert.deepEqual(hand.foreign.get("cloud"), {});
  });
});
