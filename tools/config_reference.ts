// Writes what is made of the configuration's schema: nodepool.schema.json, for editors, and docs/configuration.md, for
// people. With --check it only compares.
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { configJsonSchema } from "../lib/config/json_schema.ts";
import { secureRoot } from "../lib/config/schema.ts";
import { configPage } from "./config_page.ts";

const schema = configJsonSchema();
const FILES: readonly (readonly [string, string])[] = [
  ["nodepool.schema.json", `${JSON.stringify(schema, null, 1)}\n`],
  [
    "docs/configuration.md",
    configPage(schema, secureRoot.json, ["openstack", "static", "local", "metastatic"]),
  ],
];

const stale = FILES.filter(([path, text]) => readOrEmpty(path) !== text);
if (!process.argv.includes("--check")) {
  for (const [path, text] of stale) writeFileSync(path, text);
} else if (stale.length > 0) {
  for (const [path] of stale) console.error(`${path} is not what the schema in lib/config makes of it`);
  process.exit(1);
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
