import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { notFound, unavailable } from "../../lib/rpc/errors.ts";
import { Node } from "../../lib/rpc/gen/nodepool/v1/node.ts";
import type { CreateRequestRequest, WatchRequestResponse } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { type Answers, serve, start, until } from "./harness_test.ts";

const NAME = "nodeRequests/200-0000000007";
const NODE = Node.fromPartial({
  name: "nodes/0000000003",
  state: "STATE_IN_USE",
  provider: "local",
  pool: "main",
  interfaceIp: "127.0.0.1",
  connectionPort: 40022,
  username: "zuul",
  hostKeys: ["ssh-ed25519 AAAAC3Nza"],
});

type Event = WatchRequestResponse;

function status(state: "REQUESTED" | "PENDING" | "FULFILLED" | "FAILED", reason = "", nodes: Node[] = []) {
  const request = { name: NAME, state: `STATE_${state}`, reason, nodes: nodes.map(({ name }) => name) };
  return { event: { $case: "status", value: { request, nodes } } } as Event;
}

const building = Node.fromPartial({ ...NODE, state: "STATE_BUILDING", interfaceIp: "" });

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));

/** A launcher that goes through these events, then keeps the stream open. */
function launcher(events: Event[], more: Partial<Answers["requests"]> = {}) {
  const seen = { created: [] as CreateRequestRequest[], released: [] as string[], renewed: [] as string[] };
  const requests: Answers["requests"] = {
    createRequest: async (request) => {
      seen.created.push(request);
      return { request: { name: NAME } };
    },
    watchRequest: async function* ({ name }, { signal }) {
      assert.equal(name, NAME);
      yield* events;
      await untilAborted(signal);
    },
    releaseRequest: async ({ name }) => {
      seen.released.push(name);
      return {};
    },
    renewRequest: async ({ name, leaseDuration }) => {
      seen.renewed.push(`${name} ${leaseDuration?.seconds}`);
      return {};
    },
    ...more,
  };
  return { answers: { requests }, seen };
}

test("request tells what happens, prints the ssh line, and gives the nodes back at Ctrl-C", async () => {
  const { answers, seen } = launcher([
    status("REQUESTED", "waiting for a node to be built"),
    status("PENDING", "", [building]),
    status("PENDING", "", [building]),
    status("FULFILLED", "", [NODE]),
  ]);
  const run = start(await serve(answers), ["request", "debian"], { USER: "ada" });
  await until(() => run.stdout !== "");
  const [, file = ""] =
    /^ssh -o UserKnownHostsFile=(\S+) -p 40022 zuul@127\.0\.0\.1\n$/.exec(run.stdout) ?? [];
  assert.equal(readFileSync(file, "utf8"), "[127.0.0.1]:40022 ssh-ed25519 AAAAC3Nza\n");
  assert.deepEqual(seen.released, []);
  run.signal("SIGINT");
  assert.equal(await run.code, 130);
  assert.equal(
    run.stderr,
    `\
    0.0 s  request 200-0000000007 requested: waiting for a node to be built
    0.0 s  request 200-0000000007 pending
    0.0 s  node 0000000003 building at local/main
    0.0 s  request 200-0000000007 fulfilled
    0.0 s  node 0000000003 in-use at local/main, 127.0.0.1:40022
ready: Ctrl-C gives the nodes back
request 200-0000000007 is released
`,
  );
  assert.deepEqual(seen.released, [NAME]);
  assert.equal(existsSync(file), false);
  const [created] = seen.created;
  assert.deepEqual(created?.request?.labels, ["debian"]);
  assert.equal(created?.request?.requestor, "cli:ada");
  assert.equal(created?.leaseDuration?.seconds, 60n);
  assert.match(created?.requestId ?? "", /^[0-9a-f-]{36}$/);
});

test("several labels give a line each, in their order", async () => {
  const other = Node.fromPartial({ ...NODE, name: "nodes/0000000002", connectionPort: 40023 });
  const fulfilled = status("FULFILLED", "", [NODE, other]);
  if (fulfilled.event?.$case === "status") fulfilled.event.value.nodes.reverse();
  const run = start(await serve(launcher([fulfilled]).answers), ["request", "a", "b"]);
  await until(() => run.stdout.split("\n").length === 3);
  assert.match(run.stdout, /-p 40022 zuul@.*\n.*-p 40023 zuul@/);
  run.signal("SIGTERM");
  assert.equal(await run.code, 130);
});

test("an interrupt while waiting withdraws the request", async () => {
  const { answers, seen } = launcher([status("REQUESTED", "no quota")]);
  const run = start(await serve(answers), ["request", "debian"]);
  await until(() => run.stderr !== "");
  run.signal("SIGINT");
  assert.equal(await run.code, 130);
  assert.deepEqual(seen.released, [NAME]);
  assert.equal(run.stdout, "");
});

test("nodes are given back when the terminal is closed", async () => {
  const { answers, seen } = launcher([status("FULFILLED", "", [NODE])]);
  const run = start(await serve(answers), ["request", "debian"]);
  await until(() => run.stdout !== "");
  run.signal("SIGHUP");
  assert.equal(await run.code, 130);
  assert.deepEqual(seen.released, [NAME]);
});

test("a request that fails says why, is released, and ends with 1", async () => {
  const { answers, seen } = launcher([status("FAILED", "no provider serves the label")]);
  const run = start(await serve(answers), ["request", "debian"]);
  assert.equal(await run.code, 1);
  assert.match(run.stderr, /\nnodepool: request 200-0000000007 failed: no provider serves the label\n$/);
  assert.deepEqual(seen.released, [NAME]);
});

test("a request that somebody else ended is told", async () => {
  const { answers } = launcher([], { watchRequest: async function* () {} });
  const run = start(await serve(answers), ["request", "debian"]);
  assert.equal(await run.code, 1);
  assert.match(run.stderr, /nodepool: the request is gone: somebody deleted it, or its lease ran out\n$/);
});

test("a launcher that restarts is found again", async () => {
  let attempts = 0;
  const { answers, seen } = launcher([], {
    watchRequest: async function* (_request, { signal }) {
      attempts += 1;
      if (attempts === 1) {
        yield status("PENDING", "", [building]);
        throw unavailable("DRAINING", "the server is shutting down", 10);
      }
      yield status("FULFILLED", "", [NODE]);
      await untilAborted(signal);
    },
  });
  const run = start(await serve(answers), ["request", "debian"]);
  await until(() => run.stdout !== "");
  assert.match(run.stderr, /the server is shutting down: trying again\n/);
  run.signal("SIGINT");
  assert.equal(await run.code, 130);
  assert.deepEqual(seen.released, [NAME]);
});

test("--detach leaves the nodes to the lease, and says how to give them back", async () => {
  const { answers, seen } = launcher([status("FULFILLED", "", [NODE])]);
  const run = start(await serve(answers), ["request", "debian", "--detach", "--lease", "10m"]);
  assert.equal(await run.code, 0);
  assert.equal(run.stdout, "ssh -p 40022 zuul@127.0.0.1\n");
  assert.match(run.stderr, /yours for 600 s; give back sooner with: nodepool release 200-0000000007\n$/);
  assert.deepEqual(seen, { ...seen, released: [], renewed: [`${NAME} 600`] });
});

test("until --detach hands the nodes over their lease is short, also where a long one is asked for", async () => {
  const { answers, seen } = launcher([status("FULFILLED", "", [NODE])]);
  const address = await serve(answers);
  for (const lease of [[], ["--lease", "2h"], ["--lease", "30s"]]) {
    await start(address, ["request", "debian", "--detach", ...lease]).code;
  }
  const seconds = seen.created.map(({ leaseDuration }) => leaseDuration?.seconds);
  assert.deepEqual(seconds, [60n, 60n, 30n]);
});

test("release gives requests back by their ids", async () => {
  const { answers, seen } = launcher([]);
  const run = start(await serve(answers), ["release", "200-0000000007", "nodeRequests/100-0000000001"]);
  assert.equal(await run.code, 0);
  assert.deepEqual(seen.released, [NAME, "nodeRequests/100-0000000001"]);
});

test("--output json prints the nodes as the API has them", async () => {
  const { answers } = launcher([status("FULFILLED", "", [NODE])]);
  const run = start(await serve(answers), ["--output", "json", "request", "debian"]);
  await until(() => run.stdout !== "");
  assert.equal(JSON.parse(run.stdout)[0].connectionPort, 40022);
  run.signal("SIGINT");
  await run.code;
});

test("a release that fails is told, and left to the lease", async () => {
  const { answers } = launcher([status("FAILED", "x")], {
    releaseRequest: async ({ name }) => {
      throw notFound("request", name);
    },
  });
  const run = start(await serve(answers), ["request", "debian"]);
  assert.equal(await run.code, 1);
  assert.match(run.stderr, /could not be released \(there is no request .*\): its lease ends within 60 s/);
});

const folder = mkdtempSync(join(tmpdir(), "nodepool-cli-"));
after(() => rmSync(folder, { recursive: true }));

/** Puts an `ssh` into the PATH that writes down its arguments and the known hosts, and then does this. */
function fakeSsh(then = "exit 7"): { env: Record<string, string>; log: string } {
  const log = join(folder, "log");
  const script = `#!/bin/sh
for word; do
  case $word in UserKnownHostsFile=*) cat "\${word#*=}" >>${log} ;; esac
done
echo "$@" >>${log}
${then}
`;
  writeFileSync(join(folder, "ssh"), script);
  chmodSync(join(folder, "ssh"), 0o755);
  rmSync(log, { force: true });
  return { env: { PATH: `${folder}:/usr/bin:/bin` }, log };
}

test("a command after -- runs on the node, then the node is released; its exit code is ours", async () => {
  const { env, log } = fakeSsh();
  const { answers, seen } = launcher([status("FULFILLED", "", [NODE])]);
  const run = start(await serve(answers), ["request", "debian", "--", "uname", "-a"], env);
  assert.equal(await run.code, 7);
  assert.match(readFileSync(log, "utf8"), /-p 40022 -l zuul -- 127\.0\.0\.1 uname -a\n$/);
  assert.deepEqual(seen.released, [NAME]);
});

test("the node gets a command's words as they were given, and a single word as a line for its shell", async () => {
  const nodes: Answers["nodes"] = { getNode: async () => ({ node: NODE }) };
  const address = await serve({ ...launcher([status("FULFILLED", "", [NODE])]).answers, nodes });
  // As sshd: what follows the address, joined with blanks, is for the shell.
  const { env } = fakeSsh('while [ "$1" != 127.0.0.1 ]; do shift; done; shift; sh -c "$*"');
  for (const words of [
    ["ssh", "3"],
    ["request", "debian"],
  ]) {
    assert.equal(await start(address, [...words, "--", "sh", "-c", "exit $0", "9"], env).code, 9);
    assert.equal(await start(address, [...words, "--", "(exit 8)"], env).code, 8);
  }
});

test("ssh logs in with the node's host keys and the chosen key", async () => {
  const { env, log } = fakeSsh();
  const nodes: Answers["nodes"] = {
    getNode: async ({ name }) => {
      assert.equal(name, NODE.name);
      return { node: NODE };
    },
  };
  const address = await serve({ nodes });
  const run = start(address, ["ssh", "3", "--", "true"], { ...env, NODEPOOL_SSH_KEY: "/keys/a" });
  assert.equal(await run.code, 7);
  const [known, words] = readFileSync(log, "utf8").split("\n");
  assert.equal(known, "[127.0.0.1]:40022 ssh-ed25519 AAAAC3Nza");
  assert.match(
    words ?? "",
    /StrictHostKeyChecking=yes -i \/keys\/a .*-p 40022 -l zuul -- 127\.0\.0\.1 true$/,
  );
});

for (const signal of ["SIGTERM", "SIGHUP"] as const) {
  test(`${signal} is ssh's to end by, and the file of host keys is removed then`, async () => {
    const waits = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.5; done";
    const trap = `trap 'echo ended >>${folder}/log; exit' ${signal.slice(3)}`;
    const { env, log } = fakeSsh(`${trap}; echo waits >>${folder}/log; ${waits}`);
    const nodes: Answers["nodes"] = { getNode: async () => ({ node: NODE }) };
    const run = start(await serve({ nodes }), ["ssh", "3"], env);
    await until(() => existsSync(log) && readFileSync(log, "utf8").endsWith("waits\n"));
    run.signal(signal);
    await run.code;
    const written = readFileSync(log, "utf8");
    assert.match(written, /ended\n$/);
    const [, file = ""] = /UserKnownHostsFile=(\S+)/.exec(written) ?? [];
    assert.deepEqual([file === "", existsSync(file)], [false, false]);
  });
}

test("ssh that is not installed is one sentence", async () => {
  const nodes: Answers["nodes"] = { getNode: async () => ({ node: NODE }) };
  const run = start(await serve({ nodes }), ["ssh", "3"], { PATH: "/nonexistent" });
  assert.equal(await run.code, 127);
  assert.equal(run.stderr, "nodepool: the program 'ssh' is not installed (Debian: openssh-client)\n");
});
