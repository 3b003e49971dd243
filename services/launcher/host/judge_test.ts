import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fingerprint } from "../../../lib/std/host_key.ts";
import {
  checked,
  FOUND,
  host,
  hostPool,
  KEY,
  knowing,
  OTHER_KEY,
  slotNode,
} from "../../../test/harness/host_world.ts";
import { decideIn, NOW, request, type Scene } from "../../../test/harness/world.ts";
import type { HostStatus } from "../actions.ts";
import { judge } from "./judge.ts";

const one = host();
const pools = [hostPool("lab/main", [one])];
const actionsIn = (scene: Scene) => decideIn({ pools, ...scene }).actions;

describe("clocks that are set, or differ", () => {
  const ready = (stateTime: number) => [slotNode("0001", "ready", 0, { stateTime })];
  const hour = 3600;

  it("make no check count that is later than now", () => {
    const late = (found: typeof FOUND | string) => knowing(checked(one, found, { ago: -hour }));
    assert.deepEqual(actionsIn({ nodes: ready(NOW), hand: late(FOUND) }), ["check lab/zuul@h:22"]);
    assert.deepEqual(actionsIn({ nodes: ready(NOW), requests: [request("200-1")], hand: late(FOUND) }), [
      "check lab/zuul@h:22",
    ]);
    assert.deepEqual(actionsIn({ nodes: ready(NOW), hand: late("it is down") }), ["check lab/zuul@h:22"]);
  });

  it("keep no host in service that has just failed, though its record is later than that", () => {
    const down = knowing(checked(one, "it is down"));
    assert.deepEqual(actionsIn({ nodes: ready(NOW + 5), hand: down }), ["update 0001 testing"]);
    assert.deepEqual(actionsIn({ nodes: ready(NOW + hour), hand: down }), ["update 0001 testing"]);
    const before = knowing(checked(one, "it is down", { ago: 20 }));
    assert.deepEqual(actionsIn({ nodes: ready(NOW - 5), hand: before }), ["check lab/zuul@h:22"]);
  });

  it("keep no host out of service that passes, though its record is of a time that has not come", () => {
    const out = [slotNode("0001", "testing", 0, { stateTime: NOW + hour, comment: "out of service: down" })];
    assert.deepEqual(actionsIn({ nodes: out, hand: knowing(checked(one)) }), ["update 0001 ready"]);
  });
});

/** What is made of a host without keys in the configuration whose check has shown these, by what records know of it. */
function keysJudged(found: readonly string[], ...records: readonly Parameters<typeof slotNode>[3][]) {
  const plain = host({ hostKeys: [] });
  const nodes = records.map((more, slot) => slotNode(`000${slot}`, "ready", slot, more));
  const judgement = judge(plain, nodes, checked(plain, { ...FOUND, hostKeys: [...found] }), NOW);
  return judgement.kind === "good" ? judgement.hostKeys : judgement;
}

describe("the keys that a host shows", () => {
  const RSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAABwDjO";

  it("are taken at their word in the first scan, and then those of them that are known", () => {
    assert.deepEqual(keysJudged([KEY, RSA]), [KEY, RSA]);
    assert.deepEqual(keysJudged([KEY, RSA], { hostKeys: [] }), [KEY, RSA]);
    assert.deepEqual(keysJudged([KEY, RSA], { hostKeys: [KEY] }), [KEY]);
    assert.deepEqual(keysJudged([KEY, RSA], { hostKeys: [KEY] }, { hostKeys: [RSA] }), [KEY, RSA]);
  });

  it("take it out when one differs from the known one of its type, also when another is as it was", () => {
    const changed = keysJudged([OTHER_KEY, RSA], { hostKeys: [KEY, RSA] });
    assert.ok("reason" in changed);
    const [shown, known] = [fingerprint(OTHER_KEY), fingerprint(KEY)];
    assert.ok(changed.reason.startsWith(`its host key has changed: it shows ${shown}, known is ${known};`));
  });

  it("take it out when none of those that are known is among them", () => {
    const changed = keysJudged([RSA], { hostKeys: [KEY] });
    assert.ok("reason" in changed);
    assert.match(
      changed.reason,
      /^its host keys have changed: it shows .*, and none of those that are known;/,
    );
  });

  it("are not missed where a check looks at none, nor compared with those of another port", () => {
    assert.deepEqual(keysJudged([], { hostKeys: [KEY] }), []);
    assert.deepEqual(keysJudged([OTHER_KEY], { hostKeys: [KEY], connectionPort: 2222 }), [OTHER_KEY]);
  });
});

describe("a check of a host", () => {
  const kindOf = (
    status: HostStatus,
    more: Parameters<typeof judge>[4] = [],
    nodes = [slotNode("0001", "in-use", 0)],
  ) => judge(one, nodes, status, NOW, more).kind;

  it("counts for the host as it was configured then", () => {
    assert.equal(kindOf(checked(one)), "good");
    assert.equal(kindOf(checked(host({ username: "other" }))), "unknown");
  });

  it("that has failed counts for two minutes, one that was passed until the next", () => {
    assert.equal(kindOf(checked(one, "it is down", { ago: 120 })), "bad");
    assert.equal(kindOf(checked(one, "it is down", { ago: 121 })), "unknown");
    assert.equal(kindOf(checked(one, FOUND, { ago: 3600 })), "good");
  });

  it("that has failed counts until another launcher has brought the host back", () => {
    const down = checked(one, "it is down", { ago: 20 });
    const since = (state: "ready" | "in-use", ago: number) =>
      kindOf(down, [], [slotNode("0001", "in-use", 0), slotNode("0002", state, 1, { stateTime: NOW - ago })]);
    assert.equal(since("ready", 10), "unknown");
    assert.equal(since("ready", 20), "bad");
    assert.equal(since("in-use", 10), "bad");
  });

  it("brings a host that has lost trust back when it began a minute after the last suspicious run", () => {
    const suspicions = ["one", "two"].map((job) => ({ time: NOW - 60, job, reason: "broken" }));
    const memory = [{ suspicions, trustedSince: 0 }];
    const since = (ago: number) => {
      const last = { from: NOW - ago, at: NOW, found: FOUND, problem: null };
      return judge(one, [], { ...checked(one), last }, NOW, memory);
    };
    const early = since(1);
    assert.ok(early.kind === "bad");
    assert.match(early.reason, /^suspicious runs of 2 jobs .*; it is checked again at /);
    const late = since(0);
    assert.ok(late.kind === "good" && late.ends);
    const trusted = judge(one, [], checked(one), NOW);
    assert.ok(trusted.kind === "good" && !trusted.ends);
  });
});
