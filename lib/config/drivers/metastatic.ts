import type { Cursor } from "../cursor.ts";
import { integer, number, seconds, text } from "../kinds.ts";
import { optional, required } from "../mapping.ts";
import { driver, RATE, SHARED } from "./driver.ts";

const DEFINITION = ["max-parallel-jobs", "grace-time", "min-retention-time", "max-age"];

function checkLabel(at: Cursor): void {
  const age = at.key("max-age");
  const oldest = Number(age?.text());
  const retention = Number(at.key("min-retention-time")?.text() ?? 0);
  if (age !== null && oldest < retention) {
    age.error(
      `must be min-retention-time (${retention}) or more, but is ${oldest}: a node would be kept and given up`,
    );
  }
}

/** Labels of one backing label share its nodes, so they must agree on how. */
function checkPool(at: Cursor): void {
  const first = new Map<string, Cursor>();
  for (const label of at.key("labels")?.items() ?? []) {
    const backing = label.key("backing-label")?.text();
    if (backing === null || backing === undefined) continue;
    const before = first.get(backing);
    if (before === undefined) {
      first.set(backing, label);
      continue;
    }
    const different = DEFINITION.filter((key) => label.key(key)?.text() !== before.key(key)?.text());
    if (different.length > 0) {
      label.error(
        `has another ${different.join(", ")} than ${before.path}, which has the same backing-label ${backing}`,
      );
    }
  }
}

export const metastatic = driver({
  about: "Shares of nodes that another provider launches",
  bootTimeout: 120,
  hostKeyChecking: false,
  provider: {
    own: { rate: optional(number({ minimum: 0 }), 1, RATE) },
    without: [...SHARED.images, ...SHARED.cloudImages],
  },
  pool: { own: {}, without: ["ignore-provider-quota", ...SHARED.amounts], check: checkPool },
  label: {
    own: {
      "backing-label": required(text, "The label of the nodes that are shared; another provider serves it."),
      "max-parallel-jobs": optional(integer({ minimum: 1 }), 1, "Nodes that may share a backing node."),
      "grace-time": optional(seconds, 60, "How long a backing node is kept when nothing uses it."),
      "min-retention-time": optional(seconds, 0, "How long it is kept at least, from its launch."),
      "max-age": optional(seconds, undefined, "How old it may be to take new work; no limit if left out."),
    },
    without: ["diskimage", "cloud-image", "console-log"],
    check: checkLabel,
  },
});
