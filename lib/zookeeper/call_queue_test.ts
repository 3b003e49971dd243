import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { systemClock } from "../std/clock.ts";
import { CallQueue } from "./call_queue.ts";
import { refused } from "./contract/fixture.ts";
import { requests } from "./wire.ts";

function answer(xid: number, error = 0): Buffer {
  const frame = Buffer.alloc(16);
  frame.writeInt32BE(xid);
  frame.writeInt32BE(error, 12);
  return frame;
}

const xidOf = (frame: Buffer | undefined): number => frame?.readInt32BE(4) ?? 0;
const queueOf = (options: { limit?: number; firstXid?: number } = {}) =>
  new CallQueue({ clock: systemClock, patienceMs: 50, ...options });

describe("call queue", () => {
  it("begins to number its calls again where the numbers end", async () => {
    const queue = queueOf({ firstXid: 0x7fffffff });
    const sent: Buffer[] = [];
    queue.attach((frame) => sent.push(frame));
    const calls = [queue.call(requests.sync("/a")), queue.call(requests.sync("/b"))];
    assert.deepEqual(sent.map(xidOf), [0x7fffffff, 1]);
    for (const frame of sent) queue.settle(answer(xidOf(frame)));
    await Promise.all(calls);
  });

  it("sends no more than its limit before an answer comes, and the rest in order", async () => {
    const queue = queueOf({ limit: 2 });
    const sent: Buffer[] = [];
    queue.attach((frame) => sent.push(frame));
    const calls = Array.from({ length: 5 }, (_, index) => queue.call(requests.sync(`/${index}`)));
    assert.equal(sent.length, 2);
    for (let index = 0; index < 5; index += 1) {
      queue.settle(answer(xidOf(sent[index])));
      assert.equal(sent.length, Math.min(5, index + 3));
    }
    await Promise.all(calls);
    assert.deepEqual(sent.map(xidOf), [1, 2, 3, 4, 5]);
  });

  it("fails what was sent when the connection breaks, and sends what was not on the next one", async () => {
    const queue = queueOf({ limit: 1 });
    const [first, second]: Buffer[][] = [[], []];
    queue.attach((frame) => first?.push(frame));
    const [lost, kept] = [queue.call(requests.sync("/a")), queue.call(requests.sync("/b"))];
    queue.detach("gone");
    await refused(lost, "CONNECTION_LOSS");
    queue.attach((frame) => second?.push(frame));
    assert.equal(second?.length, 1);
    queue.settle(answer(xidOf(second?.[0])));
    await kept;
  });

  it("does not wait for a connection for ever", async () => {
    const queue = queueOf();
    await assert.rejects(queue.call(requests.sync("/a")), /CONNECTION_LOSS.*no connection within 50 ms/);
    queue.attach(() => assert.fail("a call that has failed must not be sent"));
  });

  it("settles everything with the reason when it is ended", async () => {
    const queue = queueOf({ limit: 1 });
    queue.attach(() => undefined);
    const calls = [queue.call(requests.sync("/a")), queue.call(requests.sync("/b"))];
    queue.fail("SESSION_EXPIRED", "over");
    for (const call of calls) await refused(call, "SESSION_EXPIRED");
  });

  it("takes an answer that nobody waits for as the end of the connection", () => {
    assert.throws(() => queueOf().settle(answer(7)), /answer to call 7/);
  });
});
