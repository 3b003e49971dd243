// When a lease ends.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ROOT } from "../../../lib/model/paths.ts";
import type { Clock } from "../../../lib/std/clock.ts";
import { catchUp } from "../../../lib/zookeeper/settle.ts";
import { FakeProvider } from "../../../test/harness/fake_provider.ts";
import { until } from "../../../test/harness/launcher.ts";
import { ask, callContext, fulfilled, idOf, simple } from "../../../test/harness/launcher_case.ts";
import { leapingClock } from "../../../test/harness/leaping_clock.ts";
import { launcherCases } from "../../../test/harness/suites.ts";
import { decideIn, NOW, request, type Scene } from "../../../test/harness/world.ts";
import { encodeOwnData } from "./own_data.ts";

const actionsIn = (scene: Scene) => decideIn(scene).actions;
const leased = (expires: number) => encodeOwnData({ lease: { duration: 60, expires } });

describe("a lease", () => {
  const withLease = (expires: number) =>
    request("200-1", { state: "fulfilled", requestorData: leased(expires) });

  it("ends when it runs out, and wakes the launcher for that", () => {
    assert.deepEqual(actionsIn({ requests: [withLease(NOW - 1)] }), ["end-lease 200-1"]);
    const waiting = request("200-1", { requestorData: leased(NOW - 1) });
    assert.deepEqual(actionsIn({ requests: [waiting] }), ["end-lease 200-1"], "nothing is launched for it");
    const decision = decideIn({ requests: [withLease(NOW + 7)] });
    assert.deepEqual(decision.actions, []);
    assert.equal(decision.wakeAt, NOW + 7);
  });

  it("gives its holder time to renew after an outage", () => {
    const decision = decideIn({ requests: [withLease(NOW - 50)], hand: { currentSince: NOW - 1 } });
    assert.deepEqual(decision.actions, []);
    assert.equal(decision.wakeAt, NOW + 29);
  });

  it("lasts for its duration since it was seen to be renewed, though it is over by the clock of who did that", () => {
    const expires = NOW - 5;
    const seenAt = (at: number): Scene => ({
      requests: [withLease(expires)],
      hand: { leasesSeen: new Map([["200-1", { expires, at }]]) },
    });
    const decision = decideIn(seenAt(NOW - 1));
    assert.deepEqual(decision.actions, []);
    assert.equal(decision.wakeAt, NOW + 59);
    assert.deepEqual(actionsIn(seenAt(NOW - 60)), ["end-lease 200-1"]);
  });
});

describe("a lease that a clock gave which was far ahead", () => {
  const scene = (hand: NonNullable<Scene["hand"]>): Scene => ({
    requests: [request("200-1", { state: "fulfilled", requestorData: leased(NOW + 86_400) })],
    hand,
  });
  const unseen = new Map([["200-1", { expires: NOW + 86_400, at: Number.NEGATIVE_INFINITY }]]);

  it("ends when its duration has passed since it was seen", () => {
    const seenAt = (at: number) =>
      decideIn(scene({ leasesSeen: new Map([["200-1", { expires: NOW + 86_400, at }]]) }));
    assert.deepEqual(seenAt(NOW - 60).actions, ["end-lease 200-1"]);
    assert.equal(seenAt(NOW - 50).wakeAt, NOW + 10);
  });

  it("ends when that has passed since the launcher looked first, or its clock was set", () => {
    const since = (currentSince: number) => decideIn(scene({ leasesSeen: unseen, currentSince }));
    assert.deepEqual(since(NOW - 60).actions, ["end-lease 200-1"]);
    assert.equal(since(NOW - 50).wakeAt, NOW + 10);
    assert.deepEqual(since(Infinity).actions, [], "nothing is known of renewals yet");
  });
});

describe("a lease that is given at another launcher", () => {
  const cases = launcherCases();

  /** A clock that is a day ahead until it is set back; `clock` leaps on as time goes. */
  function aheadByADay() {
    const clock = leapingClock();
    let ahead = 86_400_000;
    const settable = { ...clock, now: () => clock.now() + ahead, elapsed: () => clock.now() };
    const setBack = () => {
      ahead = 0;
    };
    return { clock, settable, setBack };
  }

  /** A launcher whose clock is right, and another one that shares its cloud. */
  async function twoLaunchers(clock: Clock) {
    const one = await cases.begin("cloud");
    const { cloud } = new FakeProvider("cloud");
    const setting = () => simple(new FakeProvider("cloud", cloud));
    const right = await one.launcher(setting());
    const other = await one.launcher(setting(), { clock });
    const served = async () => void (await fulfilled(other, await ask(other, ["small"])));
    return { one, right, other, served };
  }

  it("ends where the clock is ahead when its duration has passed there without a renewal", async () => {
    const clock = leapingClock();
    clock.leap(3_600_000);
    const { right, other, served } = await twoLaunchers(clock);
    const name = await ask(right, ["small"], { leaseSeconds: 600 });
    await fulfilled(right, name);
    const request = () => other.view.request(idOf(name));
    await catchUp(other, ROOT);
    clock.leap(500_000);
    await right.requests.renewRequest({ name, leaseDuration: undefined }, callContext);
    await catchUp(other, ROOT);
    clock.leap(500_000);
    await served();
    assert.ok(request());
    clock.leap(100_000);
    await until("it is over", () => request() === undefined);
  });

  it("ends in time where the clock was ahead when it was given there, and is set back", async () => {
    const { clock, settable, setBack } = aheadByADay();
    const { other, served } = await twoLaunchers(settable);
    const name = await ask(other, ["small"], { leaseSeconds: 600 });
    await fulfilled(other, name);
    const request = () => other.view.request(idOf(name));
    setBack();
    await served();
    clock.leap(500_000);
    await served();
    assert.ok(request(), "its holder gets time to renew");
    clock.leap(100_000);
    await until("it is over", () => request() === undefined);
  });

  it("ends in time where the clock was ahead and is set back", async () => {
    const { clock, settable, setBack } = aheadByADay();
    const { one, right, other, served } = await twoLaunchers(settable);
    const name = await ask(right, ["small"], { leaseSeconds: 600 });
    const request = () => other.view.request(idOf(name));
    await catchUp(other, ROOT);
    await one.stop(right);
    setBack();
    clock.leap(600_000);
    await served();
    clock.leap(300_000);
    await until("it is over", () => request() === undefined);
  });
});
