import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { abortable } from "../../std/abortable.ts";
import { Lookups } from "./lookups.ts";

/** A name server that answers when it is told to. */
function nameServer() {
  const asked: string[] = [];
  const waiting: { resolve: (address: string) => void; reject: (error: Error) => void }[] = [];
  const lookups = new Lookups((name) => {
    asked.push(name);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    waiting.push({ resolve, reject });
    return promise;
  });
  return { asked, waiting, lookups };
}

describe("lookups of names", () => {
  it("are one for each name while the name server is silent, however many have given up", async () => {
    const { asked, waiting, lookups } = nameServer();
    for (let round = 0; round < 5; round += 1) {
      for (const name of ["a", "b"]) {
        const stop = new AbortController();
        const given = abortable(lookups.find(name), stop.signal);
        stop.abort(new Error("late"));
        await assert.rejects(given, /late/);
      }
    }
    assert.deepEqual(asked, ["a", "b"]);
    const found = [lookups.find("b"), lookups.find("b")];
    waiting[1]?.resolve("192.0.2.1");
    assert.deepEqual(await Promise.all(found), ["192.0.2.1", "192.0.2.1"]);
    assert.deepEqual(asked, ["a", "b"]);
  });

  it("begin anew after an answer and after a failure", async () => {
    const { asked, waiting, lookups } = nameServer();
    const failing = lookups.find("a");
    waiting[0]?.reject(new Error("ENOTFOUND"));
    await assert.rejects(failing, /ENOTFOUND/);
    const first = lookups.find("a");
    waiting[1]?.resolve("192.0.2.1");
    assert.equal(await first, "192.0.2.1");
    const second = lookups.find("a");
    waiting[2]?.resolve("192.0.2.2");
    assert.equal(await second, "192.0.2.2");
    assert.deepEqual(asked, ["a", "a", "a"]);
  });
});
