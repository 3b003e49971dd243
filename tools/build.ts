// Builds what is published to npm: plain JavaScript with types in dist/, and the files that the code reads there.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync } from "node:fs";

rmSync("dist", { recursive: true, force: true });
execFileSync("tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" });
mkdirSync("dist/lib/rpc/gen", { recursive: true });
cpSync("lib/rpc/gen/nodepool.binpb", "dist/lib/rpc/gen/nodepool.binpb");
