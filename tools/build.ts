// Builds what is published to npm: plain JavaScript with types, and the files that the code reads there.
//
//   node tools/build.ts [FOLDER]   default: dist
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

const [folder = "dist"] = process.argv.slice(2);
const descriptors = "lib/rpc/gen";
rmSync(folder, { recursive: true, force: true });
execFileSync("tsc", ["-p", "tsconfig.build.json", "--outDir", folder], { stdio: "inherit" });
mkdirSync(join(folder, descriptors), { recursive: true });
cpSync(join(descriptors, "nodepool.binpb"), join(folder, descriptors, "nodepool.binpb"));
