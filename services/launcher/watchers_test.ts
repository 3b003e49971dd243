import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Watchers } from "./watchers.ts";

describe("watchers", () => {
  it("hear once of all the news until they are told, and of nothing else", () => {
    const heard: string[] = [];
    const watchers = new Watchers(() => {});
    for (const id of ["1", "2"]) watchers.add(id, () => heard.push(id));
    for (const id of ["1", "1", "3"]) watchers.note(id);
    watchers.tell();
    watchers.tell();
    assert.deepEqual(heard, ["1"]);
  });

  it("hear nothing when one has ended that", () => {
    const watchers = new Watchers(() => {});
    const stop = watchers.add("1", () => assert.fail("it has ended that"));
    watchers.note("1");
    stop();
    watchers.tell();
    assert.ok(watchers.isEmpty);
  });

  it("are told though another one throws, which is told as well", () => {
    const heard: unknown[] = [];
    const watchers = new Watchers((error, id) => heard.push([String(error), id]));
    const poison = () => {
      throw new Error("poison");
    };
    for (const id of ["1", "2"])
      for (const listener of [poison, () => heard.push(id)]) watchers.add(id, listener);
    for (const id of ["1", "2"]) watchers.note(id);
    watchers.tell();
    assert.deepEqual(heard, [["Error: poison", "1"], "1", ["Error: poison", "2"], "2"]);
  });
});
