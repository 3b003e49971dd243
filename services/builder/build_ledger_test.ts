import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../lib/std/clock.ts";
import { diskimage } from "../../test/harness/builder_state.ts";
import { BuildLedger, type LedgerSubject } from "./build_ledger.ts";
import { type Attempt, type Phase, withAttempt } from "./history.ts";
import type { Workshop } from "./workshop.ts";

/** The ledger of a build that has only begun: nothing is written yet. */
function begin(): BuildLedger {
  const workshop = { context: { clock: systemClock } } as unknown as Workshop;
  const subject = { diskimage: diskimage("ubuntu"), build: "0123" } as unknown as LedgerSubject;
  return new BuildLedger(workshop, subject);
}

const names = (phases: readonly Phase[]) => phases.map(({ name }) => name);

test("a build shows the phases that it has come to; one that goes on is one phase", () => {
  const ledger = begin();
  ledger.phase("installing");
  ledger.phase("installing");
  assert.deepEqual(names(ledger.phase("cleaning up")), ["installing", "cleaning up"]);
});

test("a build that announces phases without end shows the latest, as its history does", () => {
  const ledger = begin();
  const announced = Array.from({ length: 200 }, (_, number) => `copying ${number} of 200`);
  let shown: readonly Phase[] = [];
  for (const name of announced) shown = ledger.phase(name);
  assert.deepEqual(names(shown), announced.slice(-50));
  const told = { startedAt: 1, phases: announced.map((name) => ({ name, startedAt: 1 })) };
  const [kept] = withAttempt([], told as unknown as Attempt, 1, 1);
  assert.deepEqual(names(kept?.phases ?? []), names(shown));
});
