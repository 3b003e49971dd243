import type { Cursor } from "../cursor.ts";
import { integer, number, seconds, text } from "../kinds.ts";
import { optional, required } from "../mapping.ts";
import { driver, SHARED, WITHOUT_EFFECT } from "./driver.ts";

/** On which terms backing nodes are shared, where a label does not say; a max-age of 0 is none. */
export const METASTATIC_TERMS = {
  "max-parallel-jobs": 1,
  "grace-time": 60,
  "min-retention-time": 0,
  "max-age": 0,
} as const;

type Term = keyof typeof METASTATIC_TERMS;

const termOf = (label: Cursor, key: Term) => Number(label.key(key)?.plain() ?? METASTATIC_TERMS[key]);

function checkLabel(at: Cursor): void {
  const oldest = termOf(at, "max-age");
  const retention = termOf(at, "min-retention-time");
  if (oldest !== 0 && oldest < retention) {
    at.key("max-age")?.error(
      `must be min-retention-time (${retention}) or more, but is ${oldest}: a node would be kept and given up`,
    );
  }
}

/** Labels of one backing label share its nodes, in whatever pools they are, so they must agree on how. */
function checkTerms(provider: Cursor): void {
  const first = new Map<string, Cursor>();
  const pools = provider.key("pools")?.items() ?? [];
  for (const label of pools.flatMap((pool) => pool.key("labels")?.items() ?? [])) {
    const backing = label.key("backing-label")?.text();
    if (backing === null || backing === undefined) continue;
    const before = first.get(backing);
    if (before === undefined) {
      first.set(backing, label);
      continue;
    }
    const terms = Object.keys(METASTATIC_TERMS) as Term[];
    const different = terms.filter((key) => termOf(label, key) !== termOf(before, key));
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
    own: { rate: optional(number({ minimum: 0 }), 1, WITHOUT_EFFECT) },
    without: [...SHARED.images, ...SHARED.cloudImages],
    check: checkTerms,
  },
  pool: { own: {}, without: ["ignore-provider-quota", ...SHARED.amounts] },
  label: {
    own: {
      "backing-label": required(text, "The label of the nodes that are shared; another provider serves it."),
      "max-parallel-jobs": optional(
        integer({ minimum: 1 }),
        METASTATIC_TERMS["max-parallel-jobs"],
        "Nodes that may share a backing node.",
      ),
      "grace-time": optional(
        seconds,
        METASTATIC_TERMS["grace-time"],
        "How long a backing node is kept when nothing uses it.",
      ),
      "min-retention-time": optional(
        seconds,
        METASTATIC_TERMS["min-retention-time"],
        "How long it is kept at least, from its launch.",
      ),
      "max-age": optional(
        seconds,
        undefined,
        "How old it may be to take new work; no limit if 0 or left out.",
      ),
    },
    without: ["diskimage", "cloud-image", "console-log"],
    check: checkLabel,
  },
});
