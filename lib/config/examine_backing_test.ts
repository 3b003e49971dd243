import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "./load.ts";

/** A label of a metastatic provider, with the one beneath. */
type Share = readonly [label: string, backing: string];

/** What is said of backing labels: where, and what. */
function warningsOf(
  defined: readonly string[],
  hosted: readonly string[],
  ...shares: readonly Share[]
): string[] {
  const labels = shares.map(([name, backing]) => `{name: ${name}, backing-label: ${backing}}`);
  const text = `labels: [${defined.map((name) => `{name: ${name}}`).join(", ")}]
providers:
- {name: s, driver: static, pools: [{name: p, nodes: [{name: h, labels: [${hosted.join(", ")}]}]}]}
- {name: m, driver: metastatic, pools: [{name: p, labels: [${labels.join(", ")}]}]}`;
  return parseConfig(text, "f", { examine: true })
    .warnings.filter(({ path }) => path.endsWith("backing-label"))
    .map(({ path, message }) => `${/labels\[\d\]/.exec(path)?.[0]}: ${message}`);
}

const leadsBack = (label: string) =>
  `leads from label ${label} back to itself, so no node can ever be launched; name another label`;

describe("a metastatic label", () => {
  it("stands on one of another driver, at last", () => {
    assert.deepEqual(warningsOf(["share", "whole"], ["whole"], ["share", "whole"]), []);
    const three = ["a", "b", "whole"];
    assert.deepEqual(warningsOf(three, ["whole"], ["a", "b"], ["b", "whole"]), []);
  });

  it("does not stand on one that nobody defines", () => {
    assert.deepEqual(warningsOf(["share"], [], ["share", "shar"]), [
      'labels[0]: label shar is not defined; did you mean "share"?',
    ]);
    assert.deepEqual(warningsOf(["share"], [], ["share", "somewhere"]), [
      "labels[0]: label somewhere is not defined; add it to the top-level labels",
    ]);
  });

  it("does not stand on one that is in no pool", () => {
    assert.deepEqual(warningsOf(["share", "whole"], [], ["share", "whole"]), [
      "labels[0]: label whole is in no pool, so there is nothing to share; add it to a pool of another provider",
    ]);
  });

  it("does not stand on itself, nor on one that stands on it", () => {
    assert.deepEqual(warningsOf(["a"], [], ["a", "a"]), [`labels[0]: ${leadsBack("a")}`]);
    assert.deepEqual(warningsOf(["a", "b", "c"], [], ["a", "b"], ["b", "c"], ["c", "a"]), [
      `labels[0]: ${leadsBack("a")}`,
      `labels[1]: ${leadsBack("b")}`,
      `labels[2]: ${leadsBack("c")}`,
    ]);
  });

  it("may stand on a circle of others, which is said of them", () => {
    assert.deepEqual(warningsOf(["a", "b", "c"], [], ["a", "b"], ["b", "c"], ["c", "b"]), [
      `labels[1]: ${leadsBack("b")}`,
      `labels[2]: ${leadsBack("c")}`,
    ]);
  });

  it("may lead back to itself where a label on the way has hosts as well", () => {
    for (const hosted of [["a"], ["b"]])
      assert.deepEqual(warningsOf(["a", "b"], hosted, ["a", "b"], ["b", "a"]), [], `${hosted} has hosts`);
  });
});
