import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { Preamble } from "./preamble.ts";

function sent(preamble: Preamble): Buffer[] {
  const frames: Buffer[] = [];
  preamble.begin((frame) => frames.push(frame));
  return frames;
}

describe("what a connection is told first", () => {
  it("is nothing for a session without identities and watches", () => {
    let done = 0;
    assert.deepEqual(sent(new Preamble([], [], 0n, () => (done += 1))), []);
    assert.equal(done, 1);
  });

  it("is the identity, then the watches with the last transaction that was seen", () => {
    const identity = { scheme: "digest", credentials: "user:secret" };
    const [auth, watches] = sent(new Preamble([identity], ["/nodepool"], 77n, () => {}));
    assert.deepEqual([auth?.readInt32BE(4), auth?.readInt32BE(8)], [-4, 100]);
    assert.match(auth?.toString() ?? "", /digest.*user:secret/s);
    assert.deepEqual([watches?.readInt32BE(4), watches?.readInt32BE(8)], [-8, 105]);
    assert.equal(watches?.readBigInt64BE(12), 77n);
    assert.match(watches?.toString() ?? "", /\/nodepool$/);
  });

  it("is split into packets far below a megabyte, each path in one of them", () => {
    const paths = Array.from({ length: 5000 }, (_, number) => `/nodepool/${"x".repeat(400)}/${number}`);
    const frames = sent(new Preamble([], paths, 0n, () => {}));
    assert.ok(frames.length > 10, `${frames.length} packets`);
    for (const frame of frames) assert.ok(frame.length < 140_000, `${frame.length} bytes`);
    const all = frames.map((frame) => frame.toString()).join("");
    assert.equal(all.match(/\/nodepool\/x+\/\d+/g)?.length, paths.length);
  });

  it("is done when every part was answered", () => {
    let done = 0;
    const preamble = new Preamble([{ scheme: "digest", credentials: "a:b" }], ["/a"], 0n, () => (done += 1));
    sent(preamble);
    preamble.receive(-4, 0);
    assert.equal(done, 0);
    preamble.receive(-8, 0);
    assert.equal(done, 1);
  });

  it("fails with the scheme, and without the secret, when the identity is refused", () => {
    const preamble = new Preamble([{ scheme: "digest", credentials: "user:secret" }], [], 0n, () => {});
    assert.throws(
      () => preamble.receive(-4, -115),
      (error: Error) => /AUTH_FAILED.*scheme digest/.test(error.message) && !error.message.includes("secret"),
    );
  });

  it("fails on an answer to something else, and when no answer comes", () => {
    const preamble = new Preamble([], ["/a"], 0n, () => {});
    assert.throws(() => preamble.receive(1, 0), /an answer to 1 before that to setting 1 watches/);
    const silent = new Preamble([], ["/a"], 0n, () => {});
    assert.throws(() => {
      for (let tick = 0; tick < 12; tick += 1) silent.tick();
    }, /no answer to setting 1 watches anew within the session timeout/);
  });
});
