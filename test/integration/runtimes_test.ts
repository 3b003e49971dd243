// Node.js and Deno speak to each other: a launcher on one, the command line on the other.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { denoProgram } from "../../tools/deno_program.ts";
import { freePort } from "../harness/ports.ts";
import { PROJECT, runCommand, startCommand } from "../harness/program.ts";

const RUNTIMES = {
  node: [join(PROJECT, "node_modules/node/bin/node")],
  deno: [denoProgram(), "run", "-A", "--no-check"],
} as const;

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
    const main = [...words, "services/launcher/main.ts"];
    const launcher = startCommand(program, [...main, "-c", config, "--listen", `127.0.0.1:${port}`]);
    try {
      await launcher.waitFor(/"listening"/);
      const [cli, ...cliWords] = RUNTIMES[client];
      const question = [...cliWords, "services/cli/main.ts", "--address", `127.0.0.1:${port}`, "list"];
      const { code, stderr } = await runCommand(cli, question);
      assert.equal(code, 69);
      assert.match(stderr, /^nodepool: nodepool-launcher is starting: it waits for ZooKeeper/);
    } finally {
      await launcher.stop();
    }
  });
}
