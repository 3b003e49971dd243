// nodepool-rootfs-tar: a small builder of root file systems behind the command line of disk-image-create.
import process from "node:process";
import { codeOf, messageOf } from "../../../lib/std/errors.ts";
import { readArguments, USAGE } from "./arguments.ts";
import { buildRootfs } from "./rootfs_tar.ts";

const controller = new AbortController();
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;
let exitCode = 0;
for (const [signal, code] of Object.entries(SIGNALS)) {
  process.once(signal, () => {
    exitCode = code;
    controller.abort(new Error(`ended by ${signal}`));
  });
}
const print = (line: string) => console.log(`nodepool-rootfs-tar: ${line}`);

try {
  const args = readArguments(process.argv.slice(2));
  if (args === null) console.log(USAGE);
  else {
    const isRoot = process.getuid?.() === 0;
    await buildRootfs(args, { env: process.env, isRoot, print, signal: controller.signal });
  }
} catch (error) {
  exitCode ||= 1;
  const hint = codeOf(error) === "ENOSPC" ? "; free some space where the images are kept" : "";
  console.error(`nodepool-rootfs-tar: ${messageOf(error)}${hint}`);
}
process.exitCode = exitCode;
