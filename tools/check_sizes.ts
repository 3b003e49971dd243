// Holds files to a size that fits in a head: over 300 lines is questioned, over 500 refused.
import { readFileSync } from "node:fs";
import { sourceFiles } from "./source_files.ts";

const QUESTIONED = 300;
const REFUSED = 500;

let refused = 0;
for (const path of sourceFiles()) {
  const lines = readFileSync(path, "utf8").split("\n").length - 1;
  if (lines > REFUSED) {
    console.error(`${path}: ${lines} lines, more than ${REFUSED}: split it`);
    refused += 1;
  } else if (lines > QUESTIONED) {
    console.warn(`${path}: ${lines} lines, more than ${QUESTIONED}: could it be two files?`);
  }
}
if (refused > 0) process.exit(1);
