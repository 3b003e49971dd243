import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import { abortable } from "./abortable.ts";

describe("waiting for the work of others", () => {
  it("ends as the work does", async () => {
    const { signal } = new AbortController();
    assert.equal(await abortable(Promise.resolve(5), signal), 5);
    await assert.rejects(abortable(Promise.reject(new Error("broken")), signal), /broken/);
    assert.deepEqual(getEventListeners(signal, "abort"), [], "nothing is left at a signal that lives on");
  });

  it("ends with the signal's reason, before the work does", async () => {
    const controller = new AbortController();
    const waiting = abortable(new Promise(() => {}), controller.signal);
    controller.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
  });

  it("does not begin under a signal that is aborted, and the work may fail without anybody", async () => {
    const work = Promise.reject(new Error("broken"));
    await assert.rejects(abortable(work, AbortSignal.abort(new Error("enough"))), /enough/);
    // An unhandled rejection would fail this test.
    await new Promise((resolve) => setImmediate(resolve));
  });
});
