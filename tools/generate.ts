// Generates lib/rpc/gen from proto/: the TypeScript code, and the descriptors that reflection serves.
import { execFileSync } from "node:child_process";
import { join } from "node:path";

const out = process.argv[2] ?? "lib/rpc/gen";
const run = (...args: string[]) => execFileSync("buf", args, { stdio: "inherit" });

run("generate", "--template", templateFor(out));
run("build", "--output", join(out, "nodepool.binpb"));

function templateFor(folder: string): string {
  const template = {
    version: "v2",
    clean: true,
    plugins: [
      {
        local: "node_modules/.bin/protoc-gen-ts_proto",
        out: folder,
        include_imports: true,
        include_wkt: true,
        opt: [
          "outputServices=nice-grpc",
          "outputServices=generic-definitions",
          "importSuffix=.ts",
          "env=both",
          "enumsAsLiterals=true",
          "unrecognizedEnum=false",
          "stringEnums=true",
          "oneof=unions-value",
          "forceLong=bigint",
          "useExactTypes=false",
          "esModuleInterop=true",
        ],
      },
    ],
  };
  return JSON.stringify(template);
}
