import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "../load.ts";
import { ConfigError } from "../types.ts";

/** A provider with a pool for each list of labels. */
const site = (...pools: readonly string[]) => `
labels: [{name: host}, {name: slot}, {name: other}]
providers:
- {name: s, driver: static, pools: [{name: p, nodes: [{name: h, labels: host}]}]}
- {name: m, driver: metastatic, pools: [${pools.map((labels, at) => `{name: p${at}, labels: [${labels}]}`).join(", ")}]}
`;

/** What is wrong with a configuration, without its place. */
function problemsOf(...pools: readonly string[]): string[] {
  try {
    parseConfig(site(...pools), "f", {});
  } catch (error) {
    if (error instanceof ConfigError)
      return error.message.split("\n").map((line) => line.replace(/^f:\d+:\d+: /, ""));
    throw error;
  }
  return [];
}

describe("the keys of metastatic labels", () => {
  it("have Nodepool's defaults", () => {
    const { providers } = parseConfig(site("{name: slot, backing-label: host}"), "f", {});
    const provider = providers.find(({ name }) => name === "m");
    const [label] = provider?.pools[0]?.labels ?? [];
    assert.equal(provider?.launchTimeout, 3600);
    assert.equal(provider?.launchRetries, 3);
    assert.equal(label?.hostKeyChecking, false);
    assert.deepEqual(label?.settings, {
      "backing-label": "host",
      "max-parallel-jobs": 1,
      "grace-time": 60,
      "min-retention-time": 0,
    });
  });

  it("need the label beneath", () => {
    const [problem] = problemsOf("{name: slot}");
    assert.match(problem ?? "", /^providers\[1\]\.pools\[0\]\.labels\[0\].*backing-label/);
  });

  it("cannot keep a node longer than it may be used", () => {
    const ages = (age: number) =>
      problemsOf(`{name: slot, backing-label: host, min-retention-time: 60, max-age: ${age}}`);
    assert.deepEqual(ages(60), []);
    assert.deepEqual(ages(59), [
      "providers[1].pools[0].labels[0].max-age: must be min-retention-time (60) or more, but is 59: a node would be kept and given up",
    ]);
    assert.deepEqual(ages(0), [], "0 is no limit");
  });

  it("are not compared where none has a label beneath", () => {
    const problems = problemsOf("{name: slot, grace-time: 1}, {name: other, grace-time: 2}");
    assert.deepEqual(problems.length, 2, problems.join("\n"));
    for (const problem of problems) assert.match(problem, /: backing-label is missing$/);
  });

  it("may keep a node for ever that is not asked to be kept", () => {
    assert.deepEqual(problemsOf("{name: slot, backing-label: host, max-age: 60}"), []);
  });

  it("agree where labels share a label beneath, however they are written", () => {
    const written = "max-parallel-jobs: 1, grace-time: 074, min-retention-time: 0, max-age: 0";
    const labels = `{name: slot, backing-label: host, ${written}}, {name: other, backing-label: host}`;
    assert.deepEqual(problemsOf(labels), []);
  });

  it("agree where labels share a label beneath", () => {
    const two = (jobs: number) =>
      problemsOf(
        `{name: slot, backing-label: host, max-parallel-jobs: 2}, {name: other, backing-label: host, max-parallel-jobs: ${jobs}}`,
      );
    assert.deepEqual(two(2), []);
    assert.deepEqual(two(3), [
      "providers[1].pools[0].labels[1]: has another max-parallel-jobs than providers[1].pools[0].labels[0], which has the same backing-label host",
    ]);
  });

  it("agree across the pools of a provider", () => {
    const two = (age: number) =>
      problemsOf("{name: slot, backing-label: host}", `{name: slot, backing-label: host, max-age: ${age}}`);
    assert.deepEqual(two(0), []);
    assert.deepEqual(two(60), [
      "providers[1].pools[1].labels[0]: has another max-age than providers[1].pools[0].labels[0], which has the same backing-label host",
    ]);
  });
});
