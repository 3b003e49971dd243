import assert from "node:assert/strict";
import { test } from "node:test";
import { image } from "../../test/harness/builder_state.ts";
import { Absences } from "./absences.ts";

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
