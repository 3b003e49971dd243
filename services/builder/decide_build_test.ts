import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  config,
  diskimage,
  doing,
  FRESH,
  facts,
  image,
  local,
  NOW,
  provider,
  UBUNTU,
  wait,
} from "../../test/harness/builder_state.ts";
import { decide } from "./decide.ts";

describe("building", () => {
  test("an image without a build is built", () => {
    const plan = decide([], UBUNTU, facts());
    assert.deepEqual(doing(plan), ["build ubuntu"]);
    assert.equal(plan.actions[0]?.reason, "there is no ready build");
  });

  test("an image with a fresh build is not built, and the plan says when it will be", () => {
    const plan = decide(
      [image("ubuntu", { list: [FRESH] })],
      UBUNTU,
      facts({ here: [local("ubuntu", "b1")] }),
    );
    assert.deepEqual(doing(plan), []);
    assert.equal(wait(plan, "build/ubuntu").rule, "fresh");
    assert.equal(plan.next, NOW - 100 + 86_400);
  });

  test("a build as old as rebuild-age is built anew", () => {
    const old = { ...FRESH, age: 86_400 };
    const plan = decide([image("ubuntu", { list: [old] })], UBUNTU, facts());
    assert.deepEqual(doing(plan), ["build ubuntu"]);
    assert.match(plan.actions[0]?.reason ?? "", /older than rebuild-age \(86400 s\)/);
  });

  test("a build that a clock which was ahead has stamped is as old as its record", () => {
    const stamped = { ...FRESH, age: 86_400, stateTime: NOW + 3600 };
    const plan = decide([image("ubuntu", { list: [stamped] })], UBUNTU, facts());
    assert.deepEqual(doing(plan), ["build ubuntu"]);
  });

  test("a build that lacks a wanted format is built anew", () => {
    const both = config([diskimage("ubuntu", { formats: ["qcow2", "raw"] })]);
    const plan = decide([image("ubuntu", { list: [FRESH] })], both, facts());
    assert.deepEqual(doing(plan), ["build ubuntu"]);
    assert.equal(plan.actions[0]?.reason, "the newest build lacks raw");
  });

  test("only ready builds count", () => {
    for (const state of ["failed", "deleting"] as const) {
      const plan = decide([image("ubuntu", { list: [{ id: "b", age: 5, state }] })], UBUNTU, facts());
      assert.ok(doing(plan).includes("build ubuntu"), state);
    }
  });

  test("a requested build does not wait for the age", () => {
    const buildRequest = { time: NOW - 1, data: new Uint8Array() };
    const plan = decide([image("ubuntu", { list: [FRESH], buildRequest })], UBUNTU, facts());
    assert.deepEqual(doing(plan), ["build ubuntu"]);
    assert.equal(plan.actions[0]?.reason, "a build was asked for");
  });

  test("requested builds come first, in the order in which they were asked for", () => {
    const many = config(["a", "b", "c"].map((name) => diskimage(name)));
    const asked = (name: string, age: number) =>
      image(name, { buildRequest: { time: NOW - age, data: new Uint8Array() } });
    const plan = decide([asked("b", 10), asked("c", 20)], many, facts({ buildWorkers: 2 }));
    assert.deepEqual(doing(plan), ["build c", "build b"]);
    assert.equal(wait(plan, "build/a").rule, "workers-busy");
    assert.match(
      wait(plan, "build/a").reason,
      /there is no ready build; it waits for one of 2 build workers, next in line/,
    );
  });

  test("a build under way here takes its worker", () => {
    const two = config([diskimage("a"), diskimage("b")]);
    const plan = decide([], two, facts({ running: new Set(["build/a"]) }));
    assert.deepEqual(doing(plan), []);
    assert.equal(wait(plan, "build/a").rule, "running");
    assert.equal(wait(plan, "build/b").rule, "workers-busy");
    assert.equal(
      wait(plan, "build/b").reason,
      "there is no ready build; it waits for the build worker, next in line",
    );
  });

  test("a pause in the configuration forbids it, also when it was asked for", () => {
    const paused = config([diskimage("ubuntu", { pause: true })]);
    const buildRequest = { time: NOW, data: new Uint8Array() };
    const plan = decide([image("ubuntu", { buildRequest })], paused, facts());
    assert.deepEqual(doing(plan), []);
    assert.equal(wait(plan, "build/ubuntu").reason, "builds are paused in nodepool.yaml");
  });

  test("an operator's pause forbids it", () => {
    const plan = decide([image("ubuntu", { paused: true })], UBUNTU, facts());
    assert.equal(
      wait(plan, "build/ubuntu").reason,
      "builds are paused by an operator: nodepool image-unpause ubuntu ends that",
    );
  });

  test("an image without formats is never built", () => {
    const none = config([diskimage("ubuntu", { formats: [] })]);
    assert.equal(wait(decide([], none, facts()), "build/ubuntu").rule, "no-formats");
  });

  test("an image that another builder builds is left to it, and it is named", () => {
    const list = [{ id: "b", age: 5, state: "building" as const, builderId: "you", builder: "host2" }];
    const lock = { exists: true, contenders: ["x__lock__0000000000"] };
    const plan = decide([image("ubuntu", { list, lock })], UBUNTU, facts());
    assert.deepEqual(doing(plan), []);
    assert.equal(wait(plan, "build/ubuntu").reason, "it is being built at host2");
  });

  test("an image of which an unfinished build is being finished here is not built beside that, also while the lock is free", () => {
    const images = [image("ubuntu", { list: [{ id: "b1", age: 100, state: "building" }] })];
    const plan = decide(images, UBUNTU, facts({ building: new Set(["b1"]) }));
    assert.deepEqual(doing(plan), []);
    assert.equal(wait(plan, "build/ubuntu").reason, "build b1 is being finished here");
  });

  test("a builder that lost its lock has time to take it back, then the image is built here", () => {
    const list = [{ id: "b", age: 50, state: "building" as const, builderId: "you" }];
    const images = [image("ubuntu", { list })];
    const early = decide(images, UBUNTU, facts({ lockFreeSince: new Map([["b", NOW - 29]]) }));
    assert.deepEqual(doing(early), []);
    assert.equal(early.next, NOW + 1);
    const late = decide(images, UBUNTU, facts({ lockFreeSince: new Map([["b", NOW - 30]]) }));
    assert.deepEqual(doing(late).sort(), ["build ubuntu", "delete-build b"]);
  });

  describe("whose newest build is at a builder that is away", () => {
    const away = { id: "b1", age: 100, builderId: "other", builder: "host2" };
    const elsewhere = [image("ubuntu", { list: [away] })];
    const since = (seconds: number) => facts({ awaySince: new Map([["other", NOW - seconds]]) });

    test("is built anew when a provider lacks it, after a while", () => {
      const plan = decide(elsewhere, UBUNTU, since(100));
      assert.deepEqual(doing(plan), []);
      const { reason, next } = wait(plan, "build/ubuntu");
      assert.match(
        reason,
        /^cloud lacks the newest build, whose files are at host2; the builder that made it is away: it is/,
      );
      assert.equal(next, NOW + 500);
      const later = decide(elsewhere, UBUNTU, since(600));
      assert.deepEqual(doing(later), ["build ubuntu"]);
      assert.match(later.actions[0]?.reason ?? "", /^cloud lacks the newest build, .* is away$/);
    });

    test("is not when its builder runs, when every provider has it, or when no provider is to have it", () => {
      assert.deepEqual(doing(decide(elsewhere, UBUNTU, facts())), []);
      const uploads = [{ id: "1", provider: "cloud", age: 50 }];
      const uploaded = [image("ubuntu", { list: [{ ...away, uploads }] })];
      assert.deepEqual(doing(decide(uploaded, UBUNTU, since(600))), []);
      const nowhere = config([diskimage("ubuntu")], [provider("cloud", ["other"])]);
      assert.deepEqual(doing(decide(elsewhere, nowhere, since(600))), []);
      const unserved = { ...since(600), served: new Set<string>() };
      assert.deepEqual(doing(decide(elsewhere, UBUNTU, unserved)), []);
    });
  });

  describe("whose newest build was made here and has lost its file", () => {
    const list = [{ id: "b1", age: 100 }];
    const lost = [image("ubuntu", { list })];

    test("is built anew at once when a provider lacks it", () => {
      const plan = decide(lost, UBUNTU, facts());
      assert.deepEqual(doing(plan), ["build ubuntu"]);
      assert.equal(plan.actions[0]?.reason, "cloud lacks the newest build, whose qcow2 file was deleted");
      const raw = facts({ here: [local("ubuntu", "b1", { formats: new Set(["raw"]) })] });
      assert.deepEqual(doing(decide(lost, UBUNTU, raw)), ["build ubuntu"]);
    });

    test("is not when its file is here after all, when it is being uploaded, or when every provider has it", () => {
      assert.deepEqual(doing(decide(lost, UBUNTU, facts({ here: [local("ubuntu", "b1")] }))), [
        "upload b1 to cloud",
      ]);
      const sent = [image("ubuntu", { list: [{ id: "b1", age: 100, uploading: ["cloud"] }] })];
      assert.deepEqual(doing(decide(sent, UBUNTU, facts())), []);
      assert.deepEqual(doing(decide([image("ubuntu", { list: [FRESH] })], UBUNTU, facts())), []);
    });
  });

  test("a failed build is waited out", () => {
    const setback = { failures: 2, until: NOW + 7, error: "no space", requestTime: null };
    const setbacks = new Map([["build/ubuntu", setback]]);
    const plan = decide([], UBUNTU, facts({ setbacks }));
    assert.deepEqual(doing(plan), []);
    assert.match(
      wait(plan, "build/ubuntu").reason,
      /the last attempt failed \(no space\); the next is at 1970-/,
    );
    assert.equal(plan.next, NOW + 7);
    assert.deepEqual(doing(decide([], UBUNTU, facts({ setbacks, now: NOW + 7 }))), ["build ubuntu"]);
  });

  test("a failing image does not hold up another", () => {
    const two = config([diskimage("bad"), diskimage("good")]);
    const setback = { failures: 9, until: NOW + 600, error: "x", requestTime: null };
    const plan = decide([], two, facts({ setbacks: new Map([["build/bad", setback]]) }));
    assert.deepEqual(doing(plan), ["build good"]);
  });

  test("a new request does not wait for an old failure, the same request does", () => {
    const setback = { failures: 1, until: NOW + 60, error: "x", requestTime: NOW - 100 };
    const setbacks = new Map([["build/ubuntu", setback]]);
    const asked = (time: number) => [image("ubuntu", { buildRequest: { time, data: new Uint8Array() } })];
    assert.deepEqual(doing(decide(asked(NOW - 100), UBUNTU, facts({ setbacks }))), []);
    assert.deepEqual(doing(decide(asked(NOW - 1), UBUNTU, facts({ setbacks }))), ["build ubuntu"]);
  });
});

test("while images-dir is out of reach nothing is done, and every image says so", () => {
  const images = [image("ubuntu", { list: [{ id: "b1", age: 1_000_000 }] })];
  const plan = decide(images, UBUNTU, facts({ obstacle: "images-dir /images is gone" }));
  assert.deepEqual(plan.actions, []);
  const { rule, reason, next } = wait(plan, "build/ubuntu");
  assert.deepEqual([rule, reason, next], ["no-images-dir", "images-dir /images is gone", NOW + 60]);
});

test("equal arguments give equal plans", () => {
  const list = [FRESH, { id: "b2", age: 500 }, { id: "b3", age: 700, state: "failed" as const }];
  const once = () => decide([image("ubuntu", { list })], UBUNTU, facts({ here: [local("ubuntu", "b1")] }));
  assert.deepEqual(once(), once());
});
