import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "../../lib/config/load.ts";
import type { Config } from "../../lib/config/types.ts";
import { host, hostPool } from "../../test/harness/host_world.ts";
import { node, otherPool, pool, request, world } from "../../test/harness/world.ts";
import { planChange } from "./plan_change.ts";

type Scene = Parameters<typeof world>[0];

function configOf(labels: string, pools: string): Config {
  return parseConfig(
    `labels: [${labels}]
providers:
- {name: cloud, driver: fake, cloud-images: [{name: image}], pools: [${pools}]}`,
    "nodepool.yaml",
  );
}

const LABELS = "{name: small}, {name: large}";
const MAIN = "{name: main, labels: [{name: small, cloud-image: image}, {name: large, cloud-image: image}]}";

/** What the change of a scene's configuration does, with ! before what takes something away. */
function changes(scene: Scene, next: Config): string[] {
  const { tree, pools, hand, now } = world(scene);
  const config = configOf(LABELS, MAIN);
  return planChange({ tree, config, pools, unserved: [], hand, now }, next).map(
    ({ kind, subject, destructive }) => `${destructive ? "!" : ""}${kind} ${subject}`,
  );
}

describe("another configuration for the launcher", () => {
  it("that is the same changes nothing, whatever is under way", () => {
    const scene = { nodes: [node("1", "ready"), node("2", "used")], requests: [request("200-1")] };
    assert.deepEqual(changes(scene, configOf(LABELS, MAIN)), []);
  });

  it("tells nothing of providers that are not served, and stay as they are or have no driver", () => {
    const silent = parseConfig(
      `labels: [{name: small}, {name: far, min-ready: 2}]
providers:
- {name: silent, driver: fake, cloud-images: [{name: image}], pools: [{name: main, labels: [{name: far, cloud-image: image}]}]}`,
      "nodepool.yaml",
    );
    const { tree, hand, now } = world({ pools: [] });
    assert.deepEqual(planChange({ tree, config: silent, pools: [], unserved: [], hand, now }, silent), []);
    const [provider] = silent.providers;
    assert.ok(provider);
    const other = { ...silent, providers: [{ ...provider, driver: "aws", maxConcurrency: 7 }] };
    assert.deepEqual(planChange({ tree, config: silent, pools: [], unserved: [], hand, now }, other), []);
    const mended = { ...silent, providers: [{ ...provider, maxConcurrency: 7 }] };
    assert.deepEqual(
      planChange({ tree, config: silent, pools: [], unserved: [], hand, now }, mended).map(
        ({ kind }) => kind,
      ),
      ["serve-label", "launch"],
    );
  });

  it("with a label less drops it with the requests that want it, and tells nothing of the others", () => {
    const scene = { requests: [request("200-1"), request("200-2", { nodeTypes: ["large"] })] };
    const next = configOf(LABELS, "{name: main, labels: [{name: small, cloud-image: image}]}");
    assert.deepEqual(changes(scene, next), ["!drop-label large", "!drop-request 200-2 (large)"]);
  });

  it("that takes a label out of the pool in which a request waits in hand tells where it is served then", () => {
    const first = pool("cloud/first", ["small"], { maxServers: 1 });
    const scene = {
      pools: [first, pool("cloud/next", ["small"])],
      nodes: [node("0001", "in-use", { pool: "first", locked: true })],
      requests: [request("200-1", { state: "pending", locked: true })],
      hand: { requests: new Map([["200-1", { pool: first }]]) },
    };
    const label = "labels: [{name: small, cloud-image: image}]";
    const next = configOf(LABELS, `{name: first, max-servers: 1}, {name: next, ${label}}`);
    assert.deepEqual(changes(scene, next), [
      "serve-request 200-1 (small)",
      "launch 1 of small at cloud/next",
      "!drain 0001 (small)",
    ]);
  });

  it("with a label more serves the requests that want it", () => {
    const scene = {
      pools: [pool("cloud/main", ["small"])],
      requests: [request("200-2", { nodeTypes: ["large"] })],
    };
    const plan = changes(scene, configOf(LABELS, MAIN));
    assert.deepEqual(plan.slice(0, 2), ["serve-label large", "serve-request 200-2 (large)"]);
  });

  it("that asks for ready nodes launches them", () => {
    const next = configOf("{name: small, min-ready: 2}, {name: large}", MAIN);
    assert.deepEqual(changes({}, next), ["launch 2 of small at cloud/main"]);
  });

  it("that asks for ready nodes leaves them to the launcher that keeps them first, whatever hosts we have", () => {
    const withReady = (minReady: number) =>
      parseConfig(
        `labels: [{name: small, min-ready: ${minReady}}]
providers:
- {name: lab, driver: static, pools: [{name: main, nodes: [{name: h, labels: small}]}]}
- {name: cloud, driver: fake, cloud-images: [{name: image}], pools: [{name: main, labels: [{name: small, cloud-image: image}]}]}`,
        "nodepool.yaml",
      );
    const pools = [hostPool("lab/main", [host()]), pool("cloud/main", ["small"])];
    const { tree, hand, now } = world({ pools });
    const [hosts, cloud] = [...tree.pools()];
    assert.ok(hosts && cloud);
    const launchesBeside = (kept: readonly string[]) => {
      const extra = { min_ready: Object.fromEntries(kept.map((label) => [label, 1])) };
      // Registered after our hosts, and before our cloud.
      const other = { ...otherPool("far/main", ["small"], { extra }), znode: "host0000000001" };
      const beside = { ...tree, pools: () => [hosts, other, { ...cloud, znode: "host0000000002" }] };
      const situation = { tree: beside, config: withReady(0), pools, unserved: [], hand, now };
      return planChange(situation, withReady(1)).map(({ subject }) => subject);
    };
    assert.deepEqual(launchesBeside([]), ["1 of small at cloud/main"]);
    assert.deepEqual(launchesBeside(["small"]), []);
  });

  it("that leaves no room for a request tells that it will have to wait", () => {
    const scene = { nodes: [node("0001", "in-use", { locked: true })], requests: [request("200-1")] };
    const lower = MAIN.replace("name: main", "name: main, max-servers: 1");
    assert.deepEqual(changes(scene, configOf(LABELS, lower)), [
      "delay-request 200-1 (small)",
      "quota max-servers of cloud/main",
    ]);
  });

  it("that gives room says for what it launches", () => {
    const small = pool("cloud/main", ["small"], { maxServers: 1 });
    const { tree, pools, hand, now } = world({
      pools: [small],
      requests: [request("200-1"), request("200-2")],
    });
    const next = configOf(
      "{name: small, min-ready: 1}",
      "{name: main, labels: [{name: small, cloud-image: image}]}",
    );
    const plan = planChange({ tree, config: configOf(LABELS, MAIN), pools, unserved: [], hand, now }, next);
    const launches = plan.flatMap(({ kind, reason }) => (kind === "launch" ? [reason] : []));
    assert.deepEqual(launches, ["request 200-2 waits", "min-ready asks for them"]);
  });

  it("that makes ready nodes too old deletes them", () => {
    const next = configOf("{name: small, max-ready-age: 60}, {name: large}", MAIN);
    assert.deepEqual(changes({ nodes: [node("0001", "ready")] }, next), ["!delete-node 0001"]);
  });

  it("that closes a pool lets its nodes live out their lives", () => {
    const closed = MAIN.replace("name: main", "name: main, max-servers: 0");
    const nodes = [node("0001", "ready"), node("0002", "deleting"), node("0003", "used")];
    const scene = { nodes, hand: { deletions: new Set(["0002"]) } };
    assert.deepEqual(changes(scene, configOf(LABELS, closed)), [
      "!drop-label small",
      "!drop-label large",
      "!drain 0001 (small)",
      "quota max-servers of cloud/main",
    ]);
  });

  it("that lowers a limit tells how many nodes are beyond it", () => {
    const { tree, pools, hand, now } = world({
      nodes: [node("1", "in-use"), node("2", "in-use"), node("3", "ready"), node("4", "deleting")],
    });
    const lower = configOf(LABELS, MAIN.replace("name: main", "name: main, max-servers: 2"));
    const [change] = planChange(
      { tree, config: configOf(LABELS, MAIN), pools, unserved: [], hand, now },
      lower,
    );
    assert.equal(change?.reason, "from no limit to 2; 3 nodes are there: none is launched until 2 are gone");
    const closed = configOf(LABELS, MAIN.replace("name: main", "name: main, max-servers: 0"));
    const changes = planChange(
      { tree, config: configOf(LABELS, MAIN), pools, unserved: [], hand, now },
      closed,
    );
    const quota = changes.find(({ kind }) => kind === "quota");
    assert.equal(quota?.reason, "from no limit to 0; 3 nodes are there: none is launched any more");
    for (const limit of ["max-servers: 3", "max-cores: 2"]) {
      const roomy = configOf(LABELS, MAIN.replace("name: main", `name: main, ${limit}`));
      const [told] = planChange(
        { tree, config: configOf(LABELS, MAIN), pools, unserved: [], hand, now },
        roomy,
      );
      assert.equal(told?.reason, `from no limit to ${limit.slice(-1)}`, limit);
    }
  });

  it("that takes all pools of a provider out tells which nodes live on and which go", () => {
    const nodes = [node("0001", "in-use", { locked: true }), node("0002", "ready")];
    const { tree, pools, hand, now } = world({ nodes });
    const known = { tree, config: configOf(LABELS, MAIN), pools, unserved: [], hand, now };
    const next = configOf(LABELS, "");
    const plan = planChange(known, next).filter(({ subject }) => /^000/.test(subject));
    assert.deepEqual(
      plan.map(({ kind, subject, reason }) => [kind, subject, reason]),
      [
        ["delete-node", "0002", "no pool offers any of its labels any more"],
        [
          "drain",
          "0001 (small)",
          "pool cloud/main is closed: the node (in-use) lives out its life, and none follows it",
        ],
      ],
    );
    const left = { ...known, config: next, pools: [], tree: { ...tree, pools: () => [] } };
    const aging = configOf(LABELS.replace("name: small", "name: small, max-ready-age: 60"), "");
    assert.deepEqual(
      planChange(left, aging).map(({ subject, reason }) => [subject, reason]),
      [["0002", "has been ready for longer than max-ready-age (60 s)"]],
    );
  });

  it("without a provider tells that nobody deletes its nodes, and that they end where they are on this machine", () => {
    const none = parseConfig("labels: [{name: small}]", "nodepool.yaml");
    const reasonAt = (driver: string) => {
      const pools = [pool("cloud/main", ["small"], { provider: { driver } })];
      const { tree, hand, now } = world({ pools, nodes: [node("0001", "in-use", { locked: true })] });
      const plan = planChange({ tree, config: configOf(LABELS, MAIN), pools, unserved: [], hand, now }, none);
      return plan.find(({ kind }) => kind === "drain")?.reason;
    };
    assert.equal(reasonAt("openstack"), "provider cloud goes: nobody deletes the node (in-use)");
    assert.equal(
      reasonAt("local"),
      "provider cloud goes: nobody deletes the node (in-use), and what runs on it ends",
    );
  });
});
