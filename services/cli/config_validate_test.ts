import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ConfigProblem_Severity } from "../../lib/rpc/gen/nodepool/v1/config.ts";
import { type Answers, nodepool } from "./harness_test.ts";

const folder = mkdtempSync(join(tmpdir(), "nodepool-validate-"));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const SERVERS = "zookeeper-servers: [{host: a, port: 2181}]\n";

test("a good configuration is valid, without a server", async () => {
  const path = file("good.yaml", `${SERVERS}labels: [{name: a, min-ready: 0}]\n`);
  const { code, stdout, stderr } = await nodepool({}, ["-c", path, "config-validate"]);
  assert.match(stdout, /good\.yaml: (valid|1 warning)\n$/);
  assert.deepEqual([code, stderr], [0, ""]);
});

test("all errors and warnings are said, with their places", async () => {
  const path = file("bad.yaml", "lables: []\nmax-hold-age: long\n");
  const { code, stdout } = await nodepool({}, ["config-validate", "-c", path]);
  assert.equal(code, 1);
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    `${path}:1:1: warning: lables: is not a known key and is ignored; did you mean "labels"?`,
    `${path}:2:15: max-hold-age: must be a whole number (seconds), but is the text "long"`,
    `${path}: 1 error, 1 warning`,
  ]);
});

test("servers that no daemon starts without are missed, unless the secure file has them", async () => {
  const path = file("serverless.yaml", "labels: []\n");
  const { code, stdout } = await nodepool({}, ["config-validate", "-c", path]);
  assert.equal(code, 0);
  assert.match(
    stdout,
    /serverless\.yaml: warning: zookeeper-servers: is in no file, so only standalone starts/,
  );
  const args = ["config-validate", "-c", path, "-s", file("servers.yaml", SERVERS)];
  assert.equal((await nodepool({}, args)).stdout, `${path}: valid\n`);
});

test("a provider that only pretends is no surprise in production", async () => {
  const path = file("fake.yaml", `${SERVERS}providers: [{name: p, driver: fake, pools: []}]\n`);
  const { stdout } = await nodepool({}, ["config-validate", "-c", path]);
  assert.match(
    stdout,
    /fake\.yaml: warning: providers: p has the driver fake, which only pretends to launch nodes/,
  );
});

test("the secure file is read too, and its values are not shown", async () => {
  const path = file("main.yaml", "diskimages: [{name: disk}]\n");
  const secure = file("secure.yaml", "zookeeper-servers: [{host: h, port: secretword}]\n");
  const { code, stdout } = await nodepool({}, ["config-validate", "-c", path, "-s", secure]);
  assert.equal(code, 1);
  assert.match(stdout, /secure\.yaml:1:37: zookeeper-servers\[0\]\.port: .*the text \(not shown\)/);
});

test("warnings fail only when asked to", async () => {
  const path = file("doubtful.yaml", "lables: []\n");
  assert.equal((await nodepool({}, ["config-validate", "-c", path])).code, 0);
  assert.equal((await nodepool({}, ["config-validate", "-c", path, "--strict"])).code, 1);
});

test("JSON holds one object a problem, SARIF one result", async () => {
  const path = file("forms.yaml", "max-hold-age: long\n");
  const json = await nodepool({}, ["config-validate", "-c", path, "--format", "json"]);
  const [problem] = JSON.parse(json.stdout);
  const { severity, line, column, path: key } = problem;
  assert.deepEqual([severity, line, column, key], ["error", 1, 15, "max-hold-age"]);
  const sarif = await nodepool({}, ["config-validate", "-c", path, "--format", "sarif"]);
  const [run] = JSON.parse(sarif.stdout).runs;
  const [result] = run.results;
  assert.equal(result.level, "error");
  assert.deepEqual(result.locations[0].physicalLocation, {
    artifactLocation: { uri: new URL(`file://${path}`).href },
    region: { startLine: 1, startColumn: 15 },
  });
  assert.equal((await nodepool({}, ["config-validate", "-c", path, "--format", "xml"])).code, 2);
});

test("a file that is not there is an error with a remedy", async () => {
  const path = join(folder, "nowhere.yaml");
  const { code, stdout } = await nodepool({}, ["config-validate", "-c", path]);
  assert.equal(code, 1);
  assert.match(stdout, /does not exist; create it, or name another file with -c/);
});

test("a daemon looks at the file when asked to, and its findings are shown as those of here", async () => {
  const path = file("remote.yaml", "lables: []\n");
  const seen: string[] = [];
  const problem = { file: "text", line: 1, column: 1, path: "lables", message: "is not known" };
  const severity = ConfigProblem_Severity.SEVERITY_WARNING;
  const whole = { ...problem, severity: ConfigProblem_Severity.SEVERITY_ERROR, line: 0, column: 0, path: "" };
  const config: Answers["config"] = {
    validateConfig: async ({ text, secureText }) => {
      seen.push(text, secureText ?? "its own");
      return { problems: [{ ...problem, severity }, whole] };
    },
  };
  const { code, stdout } = await nodepool({ config }, ["config-validate", "-c", path, "--by-daemon"]);
  assert.deepEqual([code, seen], [1, ["lables: []\n", "its own"]]);
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    `${path}:1:1: warning: lables: is not known`,
    `${path}: is not known`,
    `${path}: 1 error, 1 warning`,
  ]);
});
