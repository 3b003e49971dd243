// The gate that a developer runs before each commit: everything that can be said of the code without running it.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BASELINE = "proto/baseline.binpb";

interface Check {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly remedy: string;
}

const CHECKS: readonly Check[] = [
  { name: "format and lint", command: ["biome", "check", "."], remedy: "npm run format" },
  { name: "types", command: ["tsc", "-p", "."], remedy: "mend what tsc names" },
  {
    name: "what is published",
    command: ["tsc", "-p", "tsconfig.build.json", "--noEmit"],
    remedy: "keep tests and what only they use out of it: tsconfig.build.json, .dockerignore",
  },
  { name: "imports", command: ["node", "tools/check_imports.ts"], remedy: "see docs/architecture.md" },
  { name: "sizes", command: ["node", "tools/check_sizes.ts"], remedy: "split the file" },
  { name: "API lint", command: ["buf", "lint"], remedy: "mend what buf names" },
  { name: "API format", command: ["buf", "format", "-d", "--exit-code"], remedy: "npm run format" },
  {
    name: "configuration's schema",
    command: ["node", "tools/config_reference.ts", "--check"],
    remedy: "npm run gen",
  },
  {
    name: "API compatibility",
    command: ["buf", "breaking", "--against", BASELINE],
    remedy: "make the change an addition",
  },
];

function run([command, ...args]: readonly [string, ...string[]]): boolean {
  return spawnSync(command, args, { stdio: "inherit" }).status === 0;
}

function generatedIsFresh(): boolean {
  const fresh = mkdtempSync(join(tmpdir(), "nodepool-gen-"));
  try {
    execFileSync("node", ["tools/generate.ts", fresh], { stdio: "inherit" });
    return run(["diff", "-r", "lib/rpc/gen", fresh]);
  } finally {
    rmSync(fresh, { recursive: true });
  }
}

const failed: string[] = [];
for (const { name, command, remedy } of CHECKS) {
  if (!run(command)) failed.push(`${name}: ${remedy}`);
}
if (!generatedIsFresh()) failed.push("generated code: npm run gen");
for (const line of failed) console.error(`check failed: ${line}`);
if (failed.length > 0) process.exit(1);
console.log(`${CHECKS.length + 1} checks passed`);
