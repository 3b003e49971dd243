import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { outsideUses } from "./outside_uses.ts";

const DECIDES = "services/launcher/request/decide.ts";

describe("the rule of the outside world", () => {
  const refused: readonly (readonly [string, string])[] = [
    ["const now = Date.now();", "the clock"],
    ["items.map(Date.now)", "the clock"],
    ["const now = new Date();", "the clock"],
    ["const began = performance.now();", "the clock"],
    ["const now = systemClock.now();", "the clock"],
    ["const clock = systemClock;", "the clock"],
    ["const age = (at ?? systemClock.now()) - began;", "the clock"],
    ["const limit = AbortSignal.timeout(5000);", "the machine's timers"],
    ["setTimeout(() => retry(), 1000);", "the machine's timers"],
    ["const timer = setInterval(look, 1000);", "the machine's timers"],
    ["return Math.random() < 0.5;", "randomness"],
    ["shuffle(pools, Math.random);", "randomness"],
    ["const id = randomUUID();", "randomness"],
    ["const id = given ?? randomUUID();", "randomness"],
    ["const name = randomBytes(4);", "randomness"],
    ["process.exit(1);", "process.exit"],
    ["const home = process.env.HOME;", "the environment"],
    ['process.on("SIGTERM", stop);', "signal handlers"],
  ];
  for (const [line, what] of refused) {
    it(`refuses ${line}`, () => assert.deepEqual(outsideUses(DECIDES, line), [what]));
  }

  const taken: readonly string[] = [
    "const clock = options.clock ?? systemClock;",
    "export function open(session: Session, clock: Clock = systemClock): View {",
    "  newUuid: () => string = randomUUID,",
    "const random = options.random ?? Math.random;",
    'import { type Clock, systemClock } from "../std/clock.ts";',
    "// Date.now() would be the machine's clock.",
    "/** @default Math.random */",
    "const when = new Date(milliseconds);",
    "socket.setTimeout(1000);",
  ];
  for (const line of taken) {
    it(`takes ${line.trim()}`, () => assert.deepEqual(outsideUses(DECIDES, line), []));
  }

  it("lets a program's main have the real ones", () => {
    const source = "runDaemon(process.env, systemClock, () => randomUUID()); process.exit(0);";
    assert.deepEqual(outsideUses("services/launcher/main.ts", source), []);
  });

  it("lets the machine's timers be used in the files that it lists, and in the contracts' tests", () => {
    const source = "const limit = AbortSignal.timeout(5000);";
    for (const path of ["lib/provider/local/podman_service.ts", "lib/provider/contract/place.ts"]) {
      assert.deepEqual(outsideUses(path, source), []);
    }
    assert.deepEqual(outsideUses("lib/provider/contract.ts", source), ["the machine's timers"]);
  });

  it("lets names be made by chance in the files that it lists only", () => {
    const source = "const id = randomBytes(4);";
    assert.deepEqual(outsideUses("lib/host/ssh_key.ts", source), []);
    assert.deepEqual(outsideUses("lib/host/ssh_key_of_another.ts", source), ["randomness"]);
  });
});
