import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { contenderSequence, meaningOf, orderContenders, type PathMeaning } from "./paths.ts";

const meanings: readonly [string, PathMeaning][] = [
  ["nodes/0000000001", { kind: "node", node: "0000000001" }],
  ["nodes/1/lock/ab__lock__2", { kind: "node-contender", node: "1", contender: "ab__lock__2" }],
  ["requests/200-0000000001", { kind: "request", request: "200-0000000001" }],
  ["requests-lock/200-1/ab", { kind: "request-contender", request: "200-1", contender: "ab" }],
  ["images/i", { kind: "image", image: "i" }],
  ["images/i/pause", { kind: "image-pause", image: "i" }],
  ["images/i/request-build", { kind: "build-request", image: "i" }],
  ["images/i/builds/b", { kind: "build", image: "i", build: "b" }],
  [
    "images/i/builds/b/providers/p/images/0000000001",
    { kind: "upload", image: "i", build: "b", provider: "p", upload: "0000000001" },
  ],
  ["components/pool/h0000000001", { kind: "component", component: "pool", id: "h0000000001" }],
  ["claims/provider/m", { kind: "claim-mark", scope: "provider", mark: "m" }],
];

/** What is only a folder of others, a lock, something below a known znode, or of somebody else. */
const others = [
  "/nodepool",
  "/zuul/nodes/1",
  "nodepool/nodes/1",
  "/nodepool/hosts/p/lock",
  ...["nodes", "requests", "requests-lock", "images", "components", "claims"].map(
    (each) => `/nodepool/${each}`,
  ),
  ...["nodes/1/lock", "nodes/1/other/ab", "nodes/1/lock/ab/below"].map((each) => `/nodepool/${each}`),
  ...["requests/1/below", "requests-lock/1", "requests-lock/1/ab/below"].map((each) => `/nodepool/${each}`),
  ...["components/pool", "components/pool/h/below"].map((each) => `/nodepool/${each}`),
  ...["claims/provider", "claims/provider/m/below"].map((each) => `/nodepool/${each}`),
  ...[
    "lock",
    "pause/below",
    "request-build/below",
    "history",
    "history/b",
    "builds",
    "builds/lock",
    "builds/lock/ab",
    "builds/b/lock",
    "builds/b/lock/ab",
    "builds/b/providers",
    "builds/b/providers/p",
    "builds/b/providers/p/images",
    "builds/b/providers/p/images/lock",
    "builds/b/providers/p/images/1/lock",
    "builds/b/providers/p/other/1",
    "builds/b/other/p/images/1",
    "other/b/providers/p/images/1",
  ].map((each) => `/nodepool/images/i/${each}`),
];

describe("a path", () => {
  for (const [path, meaning] of meanings) {
    it(`tells what it stands for: ${path}`, () => assert.deepEqual(meaningOf(`/nodepool/${path}`), meaning));
  }

  it("of anything else stands for nothing of its own", () => {
    assert.deepEqual(
      others.filter((path) => meaningOf(path).kind !== "other"),
      [],
    );
  });
});

describe("the contenders of a lock", () => {
  it("come by sequence, whoever made them, and after ten digits have run out", () => {
    const children = ["ff__lock__0000000002", "aa__lock__0000000010", "stray", "bb__lock__-2147483648"];
    assert.deepEqual(orderContenders(children), [
      "bb__lock__-2147483648",
      "ff__lock__0000000002",
      "aa__lock__0000000010",
    ]);
  });

  it("are told by the end of their names", () => {
    assert.equal(contenderSequence("ab__lock__0000000012"), 12);
    for (const name of ["stray", "ab__lock__1", "ab__lock__0000000001-x"])
      assert.equal(contenderSequence(name), undefined, name);
  });
});
