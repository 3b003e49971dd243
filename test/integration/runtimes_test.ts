// Node.js and Deno speak to each other: a launcher on one, the command line on the other.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { freePort } from "../harness/ports.ts";
import { PROJECT, runCommand } from "../harness/program.ts";

const bin = join(PROJECT, "node_modules");
const RUNTIMES = {
  node: [join(bin, "node", "bin", "node")],
  deno: [denoProgram(), "run", "-A", "--no-check"],
} as const;

/** Deno itself: the command in node_modules/.bin is a wrapper that keeps signals to itself. */
function denoProgram(): string {
  const [platform = ""] = readdirSync(join(bin, "@deno"));
  return join(bin, "@deno", platform, "deno");
}

const folder = mkdtempSync(join(tmpdir(), "nodepool-runtimes-"));
after(() => rmSync(folder, { recursive: true }));

for (const [server, client] of [
  ["node", "deno"],
  ["deno", "node"],
] as const) {
  test(`a launcher on ${server} answers the command line on ${client}`, async () => {
    const [away, port] = [await freePort(), await freePort()];
    const config = join(folder, `${server}.yaml`);
    writeFileSync(
      config,
      `zookeeper-servers: [{host: 127.0.0.1, port: ${away}}]\nlabels: []\nproviders: []\n`,
    );
    const [program, ...words] = RUNTIMES[server];
    const launcher = spawn(
      program,
      [...words, "services/launcher/main.ts", "-c", config, "--listen", `127.0.0.1:${port}`],
      { cwd: PROJECT, stdio: ["ignore", "pipe", "inherit"] },
    );
    const ended = new Promise((resolve) => launcher.once("exit", resolve));
    try {
      await new Promise<void>((resolve) => {
        launcher.stdout.on("data", (chunk) => String(chunk).includes('"listening"') && resolve());
        launcher.once("exit", () => resolve());
      });
      const [cli, ...cliWords] = RUNTIMES[client];
      const main = [...cliWords, "services/cli/main.ts", "--address", `127.0.0.1:${port}`, "list"];
      const { code, stderr } = await runCommand(cli, main);
      assert.equal(code, 69);
      assert.match(stderr, /^nodepool: nodepool-launcher is starting: it waits for ZooKeeper/);
    } finally {
      launcher.kill();
      await ended;
    }
  });
}
