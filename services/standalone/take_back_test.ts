import assert from "node:assert/strict";
import { test } from "node:test";
import { takeBack } from "./take_back.ts";

test("every step is taken back in the reverse order, also when some fail", async () => {
  const done: string[] = [];
  const failed: unknown[] = [];
  const step = (name: string) => async () => void done.push(name);
  const refuse = (reason: string) => () => {
    throw new Error(reason);
  };
  const steps = [step("first"), refuse("at once"), step("third"), () => Promise.reject(new Error("later"))];
  await takeBack(steps, (error) => failed.push(error));
  assert.deepEqual(done, ["third", "first"]);
  assert.deepEqual(failed, [new Error("later"), new Error("at once")]);
});
