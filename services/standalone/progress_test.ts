import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WatchImagesResponse } from "../../lib/rpc/gen/nodepool/v1/image.ts";
import { WatchNodesResponse } from "../../lib/rpc/gen/nodepool/v1/node.ts";
import { parseStandaloneFlags } from "./flags.ts";
import {
  afterImageEvent,
  afterNodeEvent,
  labelsShort,
  NO_PROGRESS,
  progressLines,
  readyNodes,
} from "./progress.ts";
import { plainScreen } from "./screen.ts";

const node = (id: string, state: string, more = {}) =>
  WatchNodesResponse.fromJSON({ upserted: { name: `nodes/${id}`, state, labels: ["tiny"], ...more } });
const image = (event: unknown) => WatchImagesResponse.fromJSON(event);

describe("the progress of a start", () => {
  it("shows builds with what they do, uploads with their name, and nodes with their address", () => {
    const build = "images/tiny/builds/0123456789abcdef";
    let progress = afterImageEvent(NO_PROGRESS, image({ image: { name: "images/tiny" } }));
    progress = afterImageEvent(
      progress,
      image({ build: { name: build, state: "STATE_BUILDING", progress: "making the root" } }),
    );
    const upload = {
      name: `${build}/providers/local/uploads/1`,
      state: "STATE_READY",
      externalName: "tiny-1",
    };
    progress = afterImageEvent(progress, image({ upload }));
    const where = { interfaceIp: "127.0.0.1", connectionPort: 22, hostKeys: ["a", "b"] };
    progress = afterNodeEvent(progress, node("1", "STATE_READY", where));
    assert.deepEqual(progressLines(progress), [
      "image tiny",
      "  build 01234567  building  making the root",
      "  upload to local  ready  as tiny-1",
      "node  1  tiny  ready  127.0.0.1:22  2 host keys",
    ]);
  });

  it("says why an image without builds is not built, and what went wrong", () => {
    const told = { name: "images/tiny", reason: "it is paused", lastError: "the disk is full" };
    const progress = afterImageEvent(NO_PROGRESS, image({ image: told }));
    assert.deepEqual(progressLines(progress), ["image tiny  it is paused", "  problem: the disk is full"]);
  });

  it("is short of a label until as many of its nodes are ready as are wanted", () => {
    const wanted = new Map([["tiny", 2]]);
    const one = afterNodeEvent(NO_PROGRESS, node("1", "STATE_READY"));
    assert.deepEqual(labelsShort(one, wanted), ["tiny"]);
    const building = afterNodeEvent(one, node("2", "STATE_BUILDING"));
    assert.deepEqual(labelsShort(building, wanted), ["tiny"]);
    const two = afterNodeEvent(building, node("2", "STATE_READY"));
    assert.deepEqual([labelsShort(two, wanted), readyNodes(two)], [[], ["nodes/1", "nodes/2"]]);
  });

  it("forgets a node that is gone", () => {
    const gone = WatchNodesResponse.fromJSON({ deleted: "nodes/1" });
    const progress = afterNodeEvent(afterNodeEvent(NO_PROGRESS, node("1", "STATE_READY")), gone);
    assert.deepEqual(progressLines(progress), []);
  });
});

describe("the screen without a terminal", () => {
  it("writes a line once, when it appears or changes", () => {
    let written = "";
    const screen = plainScreen((text) => {
      written += text;
    });
    screen.note("begin");
    screen.show(["a", "b"]);
    screen.show(["a", "c"]);
    assert.equal(written, "begin\n  a\n  b\n  c\n");
  });
});

describe("the flags of the standalone process", () => {
  it("are refused with the word that is wrong", () => {
    assert.throws(
      () => parseStandaloneFlags(["--zookeeper-port", "many"]),
      /--zookeeper-port many: expected a port/,
    );
    assert.throws(() => parseStandaloneFlags(["--colour"]), /Unknown option '--colour'/);
  });

  it("have defaults for a first try", () => {
    const flags = parseStandaloneFlags([]);
    assert.deepEqual(
      [flags.config, flags.data, flags.listen, flags.install],
      [null, "data", "127.0.0.1:8990", true],
    );
    assert.equal(parseStandaloneFlags(["--no-install"]).install, false);
  });
});
