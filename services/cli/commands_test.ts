import assert from "node:assert/strict";
import { test } from "node:test";
import { failedPrecondition, invalidArgument, notFound } from "../../lib/rpc/errors.ts";
import { type Answers, nodepool, serve, start, until } from "./harness_test.ts";

test("hold takes an id with or without leading zeros, a reason and an expiry", async () => {
  const seen: unknown[] = [];
  const nodes: Answers["nodes"] = {
    holdNode: async ({ name, reason, expireSeconds }) => {
      seen.push([name, reason, expireSeconds]);
      return { node: { name, state: "STATE_IN_USE", holdRequested: true } };
    },
  };
  const first = await nodepool({ nodes }, ["hold", "7", "--reason", "debug it", "--expires", "2h"]);
  assert.equal(first.code, 0);
  assert.match(first.stdout, /\| 0000000007 \|/);
  assert.equal(first.stderr, "node 0000000007 is in use: it is held when it is returned\n");
  await nodepool({ nodes }, ["hold", "0000000007"]);
  assert.deepEqual(seen, [
    ["nodes/0000000007", "debug it", 7200n],
    ["nodes/0000000007", "", 0n],
  ]);
});

test("unhold, console-log and revise name the node or request and show what came of it", async () => {
  const seen: unknown[] = [];
  const nodes: Answers["nodes"] = {
    releaseNode: async ({ name }) => ({ node: { name, state: "STATE_USED" } }),
    getConsoleLog: async ({ name }) => ({ text: `login of ${name}:`, truncated: true }),
  };
  assert.match((await nodepool({ nodes }, ["unhold", "7"])).stdout, /\| 0000000007 \|.*\| used /);
  const log = await nodepool({ nodes }, ["console-log", "7"]);
  assert.equal(log.stdout, "login of nodes/0000000007:\n");
  assert.match(log.stderr, /last megabyte/);
  const requests: Answers["requests"] = {
    updateRequest: async ({ request, updateMask }) => {
      seen.push([request?.name, request?.relativePriority, updateMask]);
      return { request: { ...request, state: "STATE_REQUESTED" } };
    },
  };
  const words = ["revise", "200-0000000003", "--relative-priority"];
  assert.match((await nodepool({ requests }, [...words, "-5"])).stdout, /200-0000000003 .*\| -5 /);
  const wrong = await nodepool({ requests }, [...words, "soon"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /--relative-priority soon: expected a whole number/);
  assert.deepEqual(seen, [["nodeRequests/200-0000000003", -5n, ["relative_priority"]]]);
});

test("delete prints the node, and --now waits until it is gone", async () => {
  const nodes: Answers["nodes"] = {
    deleteNode: async ({ name }) => ({ node: { name, state: "STATE_DELETING" } }),
    watchNodes: async function* (_request, { signal }) {
      yield { event: { $case: "upserted", value: { name: "nodes/0000000003" } } };
      yield { event: { $case: "bookmark", value: { synced: true } } };
      yield { event: { $case: "deleted", value: "nodes/0000000009" } };
      yield { event: { $case: "deleted", value: "nodes/0000000003" } };
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    },
  };
  assert.match((await nodepool({ nodes }, ["delete", "3"])).stdout, /\| 0000000003 \|.*\| deleting \|/);
  const { code, stdout } = await nodepool({ nodes }, ["delete", "3", "--now"]);
  assert.equal(code, 0);
  assert.equal(stdout.split("\n").length, 5);
});

test("what is not there is one sentence and exit code 1", async () => {
  const nodes: Answers["nodes"] = {
    deleteNode: async ({ name }) => {
      throw notFound("node", name);
    },
  };
  const { code, stdout, stderr } = await nodepool({ nodes }, ["delete", "42"]);
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.equal(stderr, "nodepool: there is no node 'nodes/0000000042'\n");
});

test("a command that follows ends with 130 at Ctrl-C", async () => {
  const images: Answers["images"] = {
    watchBuildLog: async function* (_request, { signal }) {
      yield { text: "one\n" };
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    },
  };
  const run = start(await serve({ images }), ["build-log", "-f", "debian-12-0000000007"]);
  await until(() => run.stdout !== "");
  run.signal("SIGINT");
  assert.equal(await run.code, 130);
});

test("no server is exit code 69 and names where it was looked for", async () => {
  const run = start("127.0.0.1:1", ["list"]);
  assert.equal(await run.code, 69);
  assert.match(run.stderr, /^nodepool: cannot reach the launcher at 127\.0\.0\.1:1: is it running\?/);
});

test("no error of a server steers the terminal", async () => {
  const nodes: Answers["nodes"] = {
    getConsoleLog: async () => {
      throw failedPrecondition("PROVIDER_ELSEWHERE", "it is at '\u001b[2Jcloud\u009b'");
    },
  };
  const providers: Answers["providers"] = {
    listAlienImages: async () => ({ problems: ["cloud: \u001b]0;title\u0007"] }),
  };
  const { stderr } = await nodepool({ nodes }, ["console-log", "3"]);
  assert.equal(stderr, "nodepool: it is at ' [2Jcloud '\n");
  const aliens = await nodepool({ providers }, ["alien-image-list"]);
  assert.equal(aliens.stderr, "nodepool: cloud:  ]0;title \n");
});

test("an option goes before the environment", async () => {
  const run = start("127.0.0.1:1", ["--address", "127.0.0.1:2", "list"]);
  assert.equal(await run.code, 69);
  assert.match(run.stderr, /launcher at 127\.0\.0\.1:2/);
});

test("wrong words are exit code 2", async () => {
  const cases: [string[], RegExp][] = [
    [["nonsense"], /unknown command 'nonsense'/],
    [["hold"], /missing required argument 'id'/],
    [["hold", "1", "2"], /too many arguments/],
    [["image-delete", "--image", "a"], /required option '--provider/],
    [["list", "--output", "xml"], /--output xml: expected table or json/],
    [["hold", "1", "--expires", "soon"], /--expires soon: expected a time as 90, 90s/],
    [["dib-image-delete", "nodash"], /'nodash' is no build: expected IMAGE-BUILD/],
    [["request", "a", "b", "--", "ls"], /needs exactly one label/],
    [["request", "a", "--detach", "--", "ls"], /exclude each other/],
    [["list", "--", "ls"], /-- is for the commands ssh and request only/],
    [["--address", "nowhere", "list"], /'nowhere' is no address/],
  ];
  for (const [words, message] of cases) {
    const run = start("127.0.0.1:1", words);
    assert.equal(await run.code, 2, words.join(" "));
    assert.match(run.stderr, message);
    assert.equal(run.stdout, "");
  }
});

test("Nodepool's global options are accepted, and a note says that they mean nothing", async () => {
  const requests = { listRequests: async () => ({}) };
  const words = ["-c", "/etc/nodepool/nodepool.yaml", "-s", "x", "-l", "y", "--debug", "request-list"];
  const { code, stderr } = await nodepool({ requests }, words);
  assert.equal(code, 0);
  assert.equal(
    stderr,
    "nodepool: -c, -s, -l, --debug: ignored; this program asks a running launcher or builder\n",
  );
});

test("version and help need no server", async () => {
  for (const words of [["--version"], ["version"]]) {
    const run = start("127.0.0.1:1", words);
    assert.equal(await run.code, 0);
    assert.match(run.stdout, /^Nodepool version: \d+\.\d+\.\d+\n$/);
  }
  for (const words of [["--help"], ["help"]]) {
    const help = start("127.0.0.1:1", words);
    assert.equal(await help.code, 0);
    assert.match(help.stdout, /image-build <image>/);
  }
});

test("no words are wrong words, and bring the help", async () => {
  const nothing = start("127.0.0.1:1", []);
  assert.equal(await nothing.code, 2);
  assert.match(nothing.stderr, /Usage: nodepool/);
});

test("explain says of a name of nothing what to do about it", async () => {
  const requests: Answers["requests"] = {
    explain: async ({ name }) => {
      const pattern = name.startsWith("nodes/") ? "nodes/{node}" : "nodeRequests/{request}";
      if (name.split("/").length > 2)
        throw invalidArgument("name", `'${name}' does not fit: expected ${pattern}`);
      throw notFound(name.startsWith("nodes/") ? "node" : "request", name);
    },
  };
  const images: Answers["images"] = {
    explainImage: async ({ name }) => {
      throw notFound("image", name);
    },
  };
  const said = async (what: string, id: string) => {
    const { code, stdout, stderr } = await nodepool({ requests, images }, ["explain", what, id]);
    assert.deepEqual([code, stdout], [1, ""]);
    return stderr;
  };
  assert.equal(
    await said("request", "200-0000000007"),
    "nodepool: there is no request 'nodeRequests/200-0000000007'; nodepool request-list shows those that there are\n",
  );
  assert.match(
    await said("request", "0000000007"),
    /; '0000000007' looks like a node's: nodepool explain node 0{9}7\n$/,
  );
  assert.match(
    await said("node", "200-7"),
    /; '200-7' looks like a request's: nodepool explain request 200-7\n$/,
  );
  assert.match(
    await said("request", "nodes/0000000007"),
    /does not fit.*; 'nodes\/0{9}7' looks like a node's: nodepool explain node nodes\/0{9}7\n$/,
  );
  assert.match(
    await said("node", "7"),
    /no node 'nodes\/0000000007'; nodepool list shows those that there are\n$/,
  );
  assert.match(await said("image", "debian"), /; nodepool image-status shows those that there are\n$/);
});

test("explain prints the reason, the place in the queue and what each pool says", async () => {
  const seen: string[] = [];
  const requests: Answers["requests"] = {
    explain: async ({ name }) => {
      seen.push(name);
      const reason = "cloud/main: max-servers is 1, in use 1, needed 1";
      const pool = { provider: "cloud", pool: "main", verdict: "VERDICT_WAITS", rule: "pool-limit" } as const;
      return {
        summary: reason,
        pools: [{ ...pool, reason, remedy: "raise it" }],
        requestsBefore: 7,
        firstBefore: ["nodeRequests/100-0000000001"],
        facts: ["it was made 3 s ago by zuul"],
      };
    },
  };
  const { code, stdout } = await nodepool({ requests }, ["explain", "request", "200-0000000002"]);
  assert.equal(code, 0);
  assert.deepEqual(seen, ["nodeRequests/200-0000000002"]);
  assert.match(
    stdout,
    /^cloud\/main: max-servers is 1, in use 1, needed 1\n {2}it was made 3 s ago by zuul\n/,
  );
  assert.match(stdout, /7 requests go before it: 100-0000000001, \.\.\.\n/);
  assert.match(stdout, /\| cloud\/main \| waits +\| max-servers is 1, in use 1, needed 1 \| raise it/);
  const place = async (requestsBefore: number, ...firstBefore: string[]) => {
    const answer = async () => ({ summary: "it waits", requestsBefore, firstBefore });
    return (await nodepool({ requests: { explain: answer } }, ["explain", "request", "200-2"])).stdout;
  };
  assert.equal(await place(0), "it waits\n  no requests go before it\n");
  assert.equal(await place(1, "nodeRequests/200-1"), "it waits\n  1 request goes before it: 200-1\n");
  await nodepool({ requests }, ["explain", "node", "7"]);
  await nodepool({ requests }, ["explain", "label", "debian"]);
  assert.deepEqual(seen.slice(1), ["nodes/0000000007", "labels/debian"]);
  for (const what of ["weather", "constructor"]) {
    assert.equal((await nodepool({ requests }, ["explain", what, "x"])).code, 2, what);
  }
});
