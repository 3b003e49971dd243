// bin/launch.js on a Node.js that cannot run TypeScript: it starts the one that `npm ci` brings.
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { PROJECT, type Program, startCommand } from "../harness/program.ts";

const SIGNALS = ["SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGTERM"] as const;

const START = `
Object.defineProperty(process.versions, "node", { value: "20.0.0" });
const { launch } = await import("./bin/launch.js");
await launch("program");
`;
const PROGRAM = `
for (const signal of ${JSON.stringify(SIGNALS)}) process.on(signal, () => console.log("got " + signal));
const stay = setInterval(() => {}, 1000);
process.on("SIGTERM", () => clearInterval(stay));
console.log("runs");
`;

describe("a program that an old Node.js starts", () => {
  let folder: string;
  let program: Program;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nodepool-launch-"));
    const [service, bundled] = [join(folder, "services/program"), join(folder, "node_modules/node/bin")];
    for (const each of [service, bundled]) await mkdir(each, { recursive: true });
    await cp(join(PROJECT, "bin/launch.js"), join(folder, "bin/launch.js"));
    await symlink(join(PROJECT, "node_modules/node/bin/node"), join(bundled, "node"));
    await writeFile(join(folder, "package.json"), '{"type":"module"}');
    await writeFile(join(folder, "start.js"), START);
    await writeFile(join(service, "main.ts"), PROGRAM);
    program = startCommand("node", [join(folder, "start.js")]);
    await program.waitFor(/runs/);
  });
  after(async () => {
    await program.stop("SIGTERM");
    await rm(folder, { recursive: true });
  });

  for (const signal of SIGNALS) {
    it(`hears of ${signal}`, async () => {
      process.kill(program.pid, signal);
      assert.ok(await program.waitFor(new RegExp(`got ${signal}`)));
    });
  }
});
