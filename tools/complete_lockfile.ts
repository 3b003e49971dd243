// Adds the lockfile entries that npm leaves out when a registry lacks a package for another platform.
//
// `npm ci` demands an entry for each optional platform package (say @biomejs/cli-win32-x64), while `npm install`
// drops those that it could not fetch. Run this after `npm install` has changed package-lock.json.
import { readFileSync, writeFileSync } from "node:fs";

interface LockEntry {
  version?: string;
  optionalDependencies?: Record<string, string>;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
}

const path = "package-lock.json";
const lock = JSON.parse(readFileSync(path, "utf8")) as { packages: Record<string, LockEntry> };
const platform = /(android|darwin|linux|win32|freebsd|openbsd|netbsd|aix|sunos)-(arm64|armv7|x64|arm|ia32)/;

let added = 0;
for (const entry of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    const match = platform.exec(name);
    if (lock.packages[key] !== undefined || match === null) continue;
    const [, os, cpu] = match;
    if (os === undefined || cpu === undefined) continue;
    const stub: LockEntry = { version, optional: true, os: [os], cpu: [cpu === "armv7" ? "arm" : cpu] };
    if (name.endsWith("musl")) stub.libc = ["musl"];
    if (entry.dev === true) stub.dev = true;
    lock.packages[key] = stub;
    added += 1;
  }
}
const sorted = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(path, `${JSON.stringify({ ...lock, packages: sorted }, null, 2)}\n`);
console.log(`${path}: ${added} entries added`);
