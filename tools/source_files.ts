// The project's own TypeScript files, as git knows them, for the checks.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

/** Paths of all tracked and new TypeScript files, generated ones left out. */
export function sourceFiles(): string[] {
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts"], {
    encoding: "utf8",
  });
  return listed
    .split("\n")
    .filter((path) => path !== "" && !path.startsWith("lib/rpc/gen/") && existsSync(path))
    .sort();
}

/** Whether a file is a test, a bench, or something that only tests use. */
export function isTestFile(path: string): boolean {
  const isSuite = path.includes("/contract/") || path.endsWith("contract_suite.ts");
  return isSuite || path.endsWith("_test.ts") || path.startsWith("test/");
}
