import assert from "node:assert/strict";
import { test } from "node:test";
import { newComponent } from "../../lib/model/component.ts";
import { entry, image } from "../../test/harness/builder_state.ts";
import { Absences } from "./absences.ts";

/** A build of the builder "other", and builders that run: their host and, but for a Python one, their id. */
function seen(...builders: readonly { hostname: string; id?: string }[]): Absences {
  const absences = new Absences();
  const build = { id: "b1", age: 100, builder: "ci.example.org", builderId: "other" };
  const components = builders.map(({ hostname, id }, index) => {
    const extra = id === undefined ? {} : { builder_id: id };
    const record = newComponent({ kind: "builder", hostname, extra });
    return { ...entry(record, 50), znode: `${hostname}${index}`, component: "builder" as const };
  });
  const view = { images: () => [image("ubuntu", { list: [build] })], components: () => components };
  absences.look(view, 1000, "me");
  return absences;
}

test("a builder that made a build is away when none that runs has its id", () => {
  assert.equal(seen({ hostname: "ci.example.org", id: "me" }).awaySince.get("other"), 1000);
  assert.equal(seen({ hostname: "elsewhere", id: "other" }).awaySince.get("other"), undefined);
});

test("beside a Python builder no builder is away, for its component need not have the host's name of its builds", () => {
  const absences = seen({ hostname: "ci" });
  assert.deepEqual([absences.besidePython, absences.awaySince.get("other")], [true, undefined]);
});

test("what was missed before the clock was set back is missed from now on", () => {
  const absences = new Absences();
  const left = { id: "b1", age: 100, state: "building", builder: "other", builderId: "other" } as const;
  const view = { images: () => [image("ubuntu", { list: [left] })], components: () => [] };
  absences.look(view, 1000, "me");
  absences.look(view, 1010, "me");
  assert.deepEqual([absences.lockFreeSince.get("b1"), absences.awaySince.get("other")], [1000, 1000]);
  absences.look(view, 50, "me");
  assert.deepEqual([absences.lockFreeSince.get("b1"), absences.awaySince.get("other")], [50, 50]);
});
