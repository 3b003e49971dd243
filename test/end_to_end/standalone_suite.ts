// The newcomer's tour as tests: what `npm start` promises, on one engine of the local provider.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { freePort } from "../harness/ports.ts";
import {
  PROJECT,
  type Program,
  runCommand,
  runProgram,
  runtimeCommand,
  startCommand,
  startProgram,
} from "../harness/program.ts";

const CLI = "services/cli/main.ts";
/** Building the image is the longest part: about ten seconds on a quiet machine. */
const FIRST_NODE = 240_000;

interface ListedNode {
  readonly name: string;
  readonly state: string;
  readonly labels: readonly string[];
}

/** Runs the tour on one engine: `sandbox` or `container`. */
export function standaloneSuite(engine: string): void {
  describe(`Nodepool standalone with the ${engine} engine`, () => {
    const folder = mkdtempSync(join(tmpdir(), `nodepool-${engine}-`));
    const config = join(folder, "nodepool.yaml");
    let address: string;
    let builderAddress: string;
    let standalone: Program;

    const file = "services/standalone/main.ts";
    const options = () => [
      ...["--config", config, "--data", join(folder, "data"), "--no-install"],
      ...["--listen", address, "--builder-listen", builderAddress],
    ];
    // A home without keys: one is made, and named on the screen.
    const start = () => startProgram(file, options(), { HOME: folder });
    const startInTerminal = () => {
      const words = [...runtimeCommand(file), ...options()].map((word) => `'${word}'`);
      return startCommand("script", ["-qfec", `exec ${words.join(" ")}`, "/dev/null"], { HOME: folder });
    };
    const environment = () => ({
      NODEPOOL_LAUNCHER_ADDRESS: address,
      NODEPOOL_BUILDER_ADDRESS: builderAddress,
      NODEPOOL_SSH_KEY: / ssh -i (\S+)/.exec(standalone.output())?.[1] ?? "",
    });
    const cli = (...args: string[]) => runProgram(CLI, args, environment());
    const nodes = async (): Promise<ListedNode[]> => {
      const { code, stdout, stderr } = await cli("--output", "json", "list");
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout) as ListedNode[];
    };
    const readyIds = async () =>
      (await nodes())
        .filter(({ state }) => state === "STATE_READY")
        .map(({ name }) => name.replace("nodes/", ""));
    const untilReady = async (count: number) => {
      for (let attempt = 0; attempt < 60; attempt += 1) {
        const ready = await readyIds();
        if (ready.length >= count) return ready;
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
      assert.fail(
        `no ${count} ready nodes:\n${JSON.stringify(await nodes(), null, 1)}\n${standalone.output()}`,
      );
    };
    const leftRunning = async () => (await runCommand("pgrep", ["-af", folder])).stdout;
    const curl = async (method: string, body: unknown) => {
      const url = `http://${address}/nodepool.v1.${method}`;
      const options = [
        "curl",
        "--protocol",
        "grpc",
        "--http2-prior-knowledge",
        "--data",
        JSON.stringify(body),
        url,
      ];
      const { code, stdout, stderr } = await runCommand("buf", options);
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout) as Record<string, unknown>;
    };

    before(async () => {
      const example = readFileSync(`${PROJECT}/examples/nodepool.yaml`, "utf8");
      const lines = example.replace(/^(\s*)engine: .*$/m, `$1engine: ${engine}`);
      writeFileSync(
        config,
        lines.replaceAll("elements-dir: elements", `elements-dir: ${PROJECT}/examples/elements`),
      );
      address = `127.0.0.1:${await freePort()}`;
      builderAddress = `127.0.0.1:${await freePort()}`;
      standalone = start();
      await standalone.waitFor(/ ssh -i /, FIRST_NODE);
    });

    after(async () => {
      await standalone.stop("SIGTERM");
      rmSync(folder, { recursive: true, force: true });
    });

    it("names the engine that it uses", () => {
      assert.match(
        standalone.output(),
        engine === "sandbox" ? /sandbox \(bubblewrap/ : /containers \((podman|docker)/i,
      );
    });

    it("keeps the configured number of nodes ready", async () => {
      assert.equal((await untilReady(2)).length, 2);
    });

    it("lists the services and their methods to any gRPC client", async () => {
      const options = [
        "curl",
        "--protocol",
        "grpc",
        "--http2-prior-knowledge",
        "--list-methods",
        `http://${address}`,
      ];
      const { stdout, stderr } = await runCommand("buf", options);
      for (const method of [
        "NodeService/ListNodes",
        "RequestService/CreateRequest",
        "ImageService/ListBuilds",
      ]) {
        assert.ok(stdout.includes(`nodepool.v1.${method}`), `${method} is missing:\n${stdout}\n${stderr}`);
      }
    });

    it("shows the image, its build and its upload to the operator", async () => {
      const builds = await cli("dib-image-list");
      assert.match(builds.stdout, /\| tiny-[0-9a-f]{32} +\| tiny +\| .* \| tar +\| ready +\|/);
      const uploads = await cli("image-list");
      assert.match(uploads.stdout, /\| [0-9a-f]{32} +\| 0000000001 +\| local +\| tiny +\|/);
    });

    it("gives a node to `nodepool request`, and takes it back on Ctrl-C", async () => {
      const request = startProgram(CLI, ["request", "tiny"], environment());
      const [, line] = await request.waitFor(/^(ssh .*)$/m);
      const host = await runCommand("sh", ["-c", `${line} 'cat /etc/os-release; id -un'`]);
      assert.equal(host.code, 0, host.stderr);
      assert.match(host.stdout, /tiny/i);
      assert.match(host.stdout, /^zuul$/m);
      assert.equal(await request.stop("SIGINT"), 130);
      const ready = await untilReady(2);
      assert.equal(ready.length, 2);
    });

    it("runs a command in the built image through `nodepool ssh`", async () => {
      const [id] = await untilReady(2);
      const { code, stdout, stderr } = await cli("ssh", String(id), "--", "exit 7");
      assert.equal(code, 7, stdout + stderr);
    });

    it("lets any gRPC client create a request, wait for it and release it", async () => {
      const created = await curl("RequestService/CreateRequest", { request: { labels: ["tiny"] } });
      const { name } = created.request as { name: string };
      for (let attempt = 0; ; attempt += 1) {
        const { request } = (await curl("RequestService/GetRequest", { name })) as {
          request: { state: string };
        };
        if (request.state === "STATE_FULFILLED") break;
        assert.ok(attempt < 60, `still ${request.state}`);
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
      await curl("RequestService/ReleaseRequest", { name });
    });

    it("keeps a held node until it is deleted", async () => {
      const [id] = await untilReady(2);
      const held = await cli("hold", String(id), "--reason", "looking around");
      assert.equal(held.code, 0, held.stderr);
      assert.equal((await nodes()).find(({ name }) => name === `nodes/${id}`)?.state, "STATE_HOLD");
      const deleted = await cli("delete", String(id));
      assert.equal(deleted.code, 0, deleted.stderr);
      await untilReady(2);
    });

    it("names the labels that exist when asked for one that does not", async () => {
      const { code, stderr } = await cli("request", "no-such-label");
      assert.equal(code, 1);
      assert.match(stderr, /no-such-label/);
      assert.match(stderr, /tiny/);
    });

    it("stops on Ctrl-C with nothing left running, and comes back with the same nodes", async () => {
      const known = await untilReady(2);
      assert.equal(await standalone.stop("SIGINT"), 0, standalone.output());
      assert.equal(await leftRunning(), "", "processes were left running");
      standalone = start();
      await standalone.waitFor(/ ssh -i /, FIRST_NODE);
      assert.deepEqual((await untilReady(2)).sort(), known.sort());
      const { code, stdout, stderr } = await cli("ssh", String(known[0]), "--", "echo still here");
      assert.equal(code, 0, stderr);
      assert.match(stdout, /still here/);
    });

    it("recovers what a kill -9 has left", async () => {
      const known = await untilReady(2);
      await standalone.stop("SIGKILL");
      standalone = start();
      await standalone.waitFor(/ ssh -i /, FIRST_NODE);
      assert.deepEqual((await untilReady(2)).sort(), known.sort());
      const { code, stderr } = await cli("ssh", String(known[0]), "--", "true");
      assert.equal(code, 0, stderr);
    });

    it("stops in order, with nothing left running, when its terminal is closed", async () => {
      await standalone.stop("SIGTERM");
      standalone = startInTerminal();
      await standalone.waitFor(/ ssh -i /, FIRST_NODE);
      await standalone.stop("SIGKILL");
      for (let attempt = 0; attempt < 60 && (await leftRunning()) !== ""; attempt += 1) {
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
      assert.equal(await leftRunning(), "", "processes were left running");
      const log = readFileSync(join(folder, "data/nodepool.log"), "utf8").split("\n");
      assert.deepEqual(
        log.filter((line) => line.includes('"level":"error"')),
        [],
      );
    });
  });
}
