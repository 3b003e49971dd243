// The alerts are checked by Prometheus' own tool, and their metrics are those that there are.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { documentedMetrics } from "../harness/documented_metrics.ts";
import { PROJECT, runCommand } from "../harness/program.ts";
import { findProgram } from "./engine.ts";

const FOLDER = `${PROJECT}/deploy/prometheus`;
const promtool = await findProgram("promtool");

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

const { groups }: Rules = parse(await readFile(`${FOLDER}/rules.yaml`, "utf8"));
const rules = groups.flatMap((group) => group.rules);

describe("deploy/prometheus", () => {
  test("has rules that Prometheus takes", { skip: promtool === null }, async () => {
    const { code, stdout, stderr } = await runCommand("promtool", ["check", "rules", `${FOLDER}/rules.yaml`]);
    assert.equal(code, 0, stdout + stderr);
  });

  test("has alerts that come and go as their tests say", { skip: promtool === null }, async () => {
    const { code, stdout, stderr } = await runCommand("promtool", [
      "test",
      "rules",
      `${FOLDER}/rules.test.yaml`,
    ]);
    assert.equal(code, 0, stdout + stderr);
  });

  test("has a test of each alert", async () => {
    const tests = await readFile(`${FOLDER}/rules.test.yaml`, "utf8");
    for (const { alert } of rules) assert.ok(tests.includes(`alertname: ${alert}`), alert);
  });

  test("asks for metrics that there are", async () => {
    // Prometheus has no dots.
    const known = new Set((await documentedMetrics()).map((name) => name.replaceAll(".", "_")));
    for (const { alert, expr } of rules) {
      for (const [name] of expr.matchAll(/\bnodepool_\w+/g)) {
        assert.ok(known.has(name) || known.has(name.replace(/_count$/, "")), `${alert}: ${name}`);
      }
    }
  });
});
