// The container files are built for real and their programs started. The base is made of this machine's own Node, and
// Debian's packages are left out (PACKAGES=""), so that neither a registry nor a mirror is needed.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { buildBaseImage, type Engine, findProgram, openEngine } from "./engine.ts";

const TOP = fileURLToPath(new URL("../../", import.meta.url));
const BASE = "localhost/nodepool-base";
const NODE = fileURLToPath(new URL("../../node_modules/node/bin/node", import.meta.url));

// What is in the images does not depend on the runtime of the tests, and building them takes a minute: once is enough.
const opened = await open();

async function open(): ReturnType<typeof openEngine> {
  if ("Deno" in globalThis) return { engine: null, reason: "tested under Node" };
  if ((await findProgram("tini")) === null) return { engine: null, reason: "tini is not installed" };
  return await openEngine();
}

const skip = opened.engine === null ? opened.reason : false;

/** What a daemon can be asked with the `nodepool` command that every image holds. */
const QUESTIONS: ReadonlyMap<string, string> = new Map([
  ["launcher", "list"],
  ["builder", "image-status"],
]);

/** A script that starts a daemon without a ZooKeeper to reach, and asks it until it answers. */
function askDaemon(name: string, question: string): string {
  const services = "/opt/nodepool/dist/services";
  return `
    echo '{"zookeeper-servers": [{"host": "127.0.0.1", "port": 1}], "images-dir": "images"}' > nodepool.yaml
    node ${services}/${name}/main.js -c nodepool.yaml > log 2>&1 &
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
      answer=$(node ${services}/cli/main.js ${question} 2>&1)
      case "$answer" in *starting*) echo "$answer"; exit 0;; esac
      sleep 1
    done
    cat log`;
}

/**
 * A program that leaves a process behind, as disk-image-create does when it fails, and tells whether anything is left of it
 * when it has ended.
 */
const LEAVE_BEHIND = `
  const { spawnSync } = require("node:child_process");
  const { existsSync } = require("node:fs");
  const { stdout } = spawnSync("sh", ["-c", "sleep 0 > /dev/null 2>&1 & echo $!; exit 1"]);
  const folder = "/proc/" + String(stdout).trim();
  let patience = 400;
  const look = () => {
    if (!existsSync(folder)) console.log("gone");
    else if ((patience -= 1) > 0) setTimeout(look, 25);
    else console.log("still there");
  };
  look();`;

// Three builds, each with a limit of its own (engine.ts): less than the ten minutes after which a file is ended.
describe("container images", { skip, timeout: 570_000 }, () => {
  let engine: Engine;
  let version: string;

  before(async () => {
    assert.ok(opened.engine !== null);
    engine = opened.engine;
    version = JSON.parse(await readFile(`${TOP}/package.json`, "utf8")).version;
    await buildBaseImage(engine, NODE, BASE);
  });

  after(() => engine.close());

  for (const name of ["launcher", "builder", "cli"]) {
    const image = `localhost/nodepool-${name}`;

    describe(`deploy/${name}.Containerfile`, () => {
      before(async () => {
        const file = `${TOP}/deploy/${name}.Containerfile`;
        await engine.build({ file, context: TOP, tag: image, args: { BASE, PACKAGES: "" } });
      });

      test("builds, and starts its program, which tells its version", async () => {
        const { code, stdout, stderr } = await engine.run(image, { args: ["--version"] });
        assert.equal(code, 0, stderr);
        assert.ok(stdout.includes(version), `"${stdout.trim()}" does not name version ${version}`);
      });

      const question = QUESTIONS.get(name);
      if (question !== undefined) {
        test("serves its API, which tells what it waits for", async () => {
          const args = ["-c", askDaemon(name, question)];
          const { stdout } = await engine.run(image, { entrypoint: "sh", args });
          assert.match(stdout, new RegExp(`nodepool-${name} is starting: it waits for ZooKeeper`));
        });
      }

      test("runs as the user nodepool, named by its number: a name does not tell Kubernetes that it is not root's", async () => {
        assert.equal(await engine.inspect(image, ".Config.User"), "10001:10001");
        const { stdout } = await engine.run(image, { entrypoint: "id", args: ["-un"] });
        assert.equal(stdout.trim(), "nodepool");
      });

      if (name === "builder") {
        test("has a process 1 that asks about what others have left behind", async () => {
          const words: string[] = JSON.parse(await engine.inspect(image, "json .Config.Entrypoint"));
          const entrypoint = JSON.stringify(words.slice(0, words.indexOf("node") + 1));
          const { stdout, stderr } = await engine.run(image, { entrypoint, args: ["-e", LEAVE_BEHIND] });
          assert.equal(stdout.trim(), "gone", stderr);
        });
      }

      test("holds what runs and nothing of what builds and tests", async () => {
        const list =
          "const fs = require('fs'); console.log(JSON.stringify(process.argv.slice(1).map(fs.existsSync)))";
        const paths = ["dist/services", "node_modules/yaml", "node_modules/typescript", "services", "test"];
        const { stdout } = await engine.run(image, {
          entrypoint: "node",
          args: ["-e", list, ...paths.map((path) => `/opt/nodepool/${path}`)],
        });
        assert.deepEqual(JSON.parse(stdout), [true, true, false, false, false]);
      });
    });
  }
});
