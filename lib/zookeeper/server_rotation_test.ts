import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ServerRotation } from "./server_rotation.ts";

const servers = ["a", "b", "c", "d"].map((host) => ({ host, port: 2181 }));
const half = () => 0.5;
const hosts = (rotation: ServerRotation, count: number) =>
  Array.from({ length: count }, () => rotation.next().server.host);

describe("the rotation of servers", () => {
  it("goes round all of them, in an order that chance decides", () => {
    const [low, high] = [new ServerRotation(servers, () => 0), new ServerRotation(servers, () => 0.99)];
    const [one, other] = [hosts(low, 4), hosts(high, 4)];
    assert.notDeepEqual(one, other);
    assert.deepEqual([...one].sort(), ["a", "b", "c", "d"]);
    assert.deepEqual(hosts(low, 4), one);
  });

  it("tries at once at first, and waits longer in each round without an answer, up to two seconds", () => {
    const rotation = new ServerRotation(servers.slice(0, 2), half);
    const delays = Array.from({ length: 30 }, () => rotation.next().delayMs);
    assert.equal(delays[0], 0);
    for (let attempt = 3; attempt < delays.length; attempt += 2) {
      assert.ok((delays[attempt] ?? 0) >= (delays[attempt - 2] ?? 0));
    }
    assert.ok(Math.max(...delays) <= 2000);
    assert.ok(rotation.failures > 20);
  });

  it("begins to count anew after an answer", () => {
    const rotation = new ServerRotation(servers, half);
    for (let attempt = 0; attempt < 20; attempt += 1) rotation.next();
    rotation.succeeded();
    assert.equal(rotation.failures, 0);
    assert.ok(rotation.next().delayMs <= 200);
  });

  it("gives a handshake a second, twice the time after each without an answer, and no more than the session allows", () => {
    const rotation = new ServerRotation(servers.slice(0, 3), half);
    const limits = Array.from({ length: 4 }, () => {
      const limit = rotation.handshakeLimit(30_000);
      rotation.unanswered();
      return Math.round(limit);
    });
    assert.deepEqual(limits, [1000, 2000, 4000, 6667]);
    rotation.succeeded();
    assert.equal(rotation.handshakeLimit(30_000), 1000);
    assert.equal(rotation.handshakeLimit(100), 250);
  });

  it("knows and takes other servers, but not none", () => {
    const rotation = new ServerRotation(servers, half);
    rotation.replace([{ host: "e", port: 2181 }]);
    assert.ok(rotation.has({ host: "e", port: 2181 }));
    assert.ok(!rotation.has({ host: "a", port: 2181 }));
    assert.throws(() => rotation.replace([]), /no ZooKeeper server is given/);
  });
});
