// What the engine knows before it has decided with a configuration; its decisions are tested with launchers.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
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
