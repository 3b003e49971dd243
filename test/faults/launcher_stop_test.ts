// A launcher that is told to stop at a bad moment stops all the same, and what it had in hand goes on elsewhere.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { NodeRequest, NodeRequest_State } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { proxiesInstalled } from "../harness/http2_proxy.ts";
import { until } from "../harness/launcher.ts";
import { RollingFleet } from "../harness/rolling_fleet.ts";

const PATIENCE_MS = 60_000;
const skip = proxiesInstalled ? false : "needs Debian's packages haproxy and nginx";

describe("a launcher among three that is told to stop", { skip }, () => {
  let fleet: RollingFleet;
  before(async () => {
    fleet = await RollingFleet.open("haproxy");
  });
  after(() => fleet?.close());

  const ask = async (many: number) => {
    const wish = { labels: ["tiny"], requestor: "tester", reuse: false };
    const one = async () => {
      const leaseDuration = { seconds: 600n, nanos: 0 };
      const request = NodeRequest.fromPartial(wish);
      const made = await fleet.clients.requests.createRequest({
        ...{ request, leaseDuration, requestId: randomUUID() },
      });
      return made.request?.name ?? "";
    };
    return await Promise.all(Array.from({ length: many }, one));
  };
  const isFulfilled = async (name: string) => {
    const { request } = await fleet.clients.requests.getRequest({ name });
    assert.notEqual(request?.state, NodeRequest_State.STATE_FAILED, request?.reason);
    return request?.state === NodeRequest_State.STATE_FULFILLED;
  };
  const untilServed = async (names: string[]) => {
    for (const name of names) await until(`${name} is fulfilled`, () => isFulfilled(name), PATIENCE_MS);
    const { made } = fleet.cloud;
    assert.equal(new Set(made).size, made.length, `a launch was begun anew: ${made}`);
    for (const name of names) await fleet.clients.requests.releaseRequest({ name });
    await until("nothing is left", () => fleet.cloud.instances.size === 0, PATIENCE_MS);
  };
  const restart = (address: string) => fleet.start(address).waitFor(/"serving"/, PATIENCE_MS);

  const pools = async () => {
    const { components } = await fleet.clients.components.listComponents({});
    return components.filter(({ kind }) => kind === "pool");
  };

  it("stops while it starts, and leaves nothing registered", async () => {
    const [address = ""] = fleet.addresses;
    assert.equal(await fleet.launcher(address).stop("SIGTERM"), 0);
    for (const moment of [/"listening"/, /"provider opened"/, /"launcher started"/]) {
      const starting = fleet.start(address);
      await starting.waitFor(moment, PATIENCE_MS);
      assert.equal(await starting.stop("SIGTERM"), 0, starting.output());
    }
    await restart(address);
    await until("each pool is registered once", async () => (await pools()).length === 3, PATIENCE_MS);
  });

  it("stops while the cloud hangs, and others go on with its launches", async () => {
    const { hang } = fleet.cloud.weather;
    hang.add("awaitInstance");
    const names = await ask(6);
    await until("six instances", () => fleet.cloud.made.length >= 6, PATIENCE_MS);
    assert.deepEqual(await fleet.roll("SIGTERM"), [0, 0, 0]);
    hang.clear();
    // What was asked meanwhile is never answered: it goes on with the next stop.
    assert.deepEqual(await fleet.roll("SIGTERM"), [0, 0, 0]);
    await untilServed(names);
  });

  it("stops or dies while calls wait for their nodes, and repeated they go on elsewhere with the same requests", async () => {
    fleet.cloud.weather.createMs = 5000;
    const before = fleet.cloud.made.length;
    const request = NodeRequest.fromPartial({ labels: ["tiny"], requestor: "tester", reuse: false });
    const leaseDuration = { seconds: 600n, nanos: 0 };
    const waitDuration = { seconds: 60n, nanos: 0 };
    const wait = async () => {
      const call = { request, leaseDuration, waitDuration, requestId: randomUUID() };
      const names = new Set<string>();
      while (true) {
        const answer = await fleet.clients.requests.createRequest(call);
        names.add(answer.request?.name ?? "");
        if (answer.request?.state === NodeRequest_State.STATE_FULFILLED) return [...names];
      }
    };
    const waiting = Promise.all(Array.from({ length: 6 }, wait));
    await until("six launches", () => fleet.cloud.made.length === before + 6, PATIENCE_MS);
    for (const [index, address] of fleet.addresses.entries()) {
      await fleet.launcher(address).stop(index === 0 ? "SIGKILL" : "SIGTERM");
      await restart(address);
    }
    const names = await waiting;
    fleet.cloud.weather.createMs = 0;
    assert.deepEqual(
      names.map(({ length }) => length),
      [1, 1, 1, 1, 1, 1],
    );
    assert.equal(fleet.cloud.made.length, before + 6);
    await untilServed(names.flat());
  });

  it("stops within its grace while ZooKeeper is away, and at once by a second signal", async () => {
    await ask(3);
    await fleet.loseCoordination();
    const [first = "", second = "", third = ""] = fleet.addresses;
    const stopTwice = async (address: string) => {
      const launcher = fleet.launcher(address);
      process.kill(launcher.pid, "SIGTERM");
      await launcher.waitFor(/"stopping"/, PATIENCE_MS);
      // What follows the first within half a second is the same wish.
      await new Promise((resolve) => setTimeout(resolve, 1000));
      return await launcher.stop("SIGTERM", PATIENCE_MS);
    };
    const stop = (address: string, signal: "SIGTERM" | "SIGINT") =>
      fleet.launcher(address).stop(signal, PATIENCE_MS);
    const codes = [stop(first, "SIGTERM"), stop(second, "SIGINT"), stopTwice(third)];
    assert.deepEqual(await Promise.all(codes), [0, 0, 143]);
  });
});
