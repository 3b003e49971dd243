// Creates of one instance that meet, as where a launcher takes up a launch that its last session had begun.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { instanceSpec } from "../../../../test/harness/local_provider.ts";
import { systemClock } from "../../../std/clock.ts";
import { messageOf } from "../../../std/errors.ts";
import { silentLogger } from "../../../std/logger.ts";
import { type Instance, METADATA, ProviderError } from "../../contract.ts";
import { HostedEngine } from "./hosted_engine.ts";
import { imageRecords } from "./records.ts";

const IMAGE = "image-1";

/** An engine with an image of one file, whose commands nobody runs. */
async function startEngine(directory: string): Promise<HostedEngine> {
  const engine = new HostedEngine({
    kind: "process",
    summary: "process",
    runner: { isolation: "none", run: () => Promise.reject(new Error("nobody logs in")) },
    directory,
    hostsInstances: true,
    owner: null,
    logger: silentLogger,
    clock: systemClock,
  });
  await engine.start(AbortSignal.timeout(60_000));
  const fill = async (folder: string) => {
    await mkdir(join(folder, "rootfs"));
    await writeFile(join(folder, "rootfs/mark"), "made here");
    return { name: "img-1", metadata: {} };
  };
  await imageRecords(directory).create(IMAGE, fill, AbortSignal.timeout(60_000));
  return engine;
}

describe("two creates of one hosted instance at a time", () => {
  let directory: string;
  let engine: HostedEngine;
  const spec = { ...instanceSpec("0000000001", IMAGE), username: null, resources: { instances: 1 } };
  const patience = () => AbortSignal.timeout(60_000);

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "nodepool-hosted-"));
    engine = await startEngine(directory);
  });
  afterEach(async () => {
    await engine.stop();
    await rm(directory, { recursive: true });
  });

  /** A create that is held up where it notes the instance's id: its record is there, and nothing else of it. */
  const heldUp = async (signal = patience()) => {
    const noting = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const note = () => {
      noting.resolve();
      return gate.promise;
    };
    const outcome = outcomeOf(engine.createInstance(spec, note, signal));
    await noting.promise;
    return { outcome, goOn: gate.resolve, fail: gate.reject };
  };
  /** A create that has come upon the one that is under way. */
  const waiting = async (signal = patience()) => {
    const noting = Promise.withResolvers<void>();
    const outcome = outcomeOf(engine.createInstance(spec, async () => noting.resolve(), signal));
    await noting.promise;
    return { outcome };
  };
  const left = () => readdir(join(directory, "instances"));

  test("make one where the first goes well", async () => {
    const first = await heldUp();
    const second = await waiting();
    first.goOn();
    assert.match(await first.outcome, /^running at \d+$/);
    assert.equal(await second.outcome, await first.outcome);
    assert.deepEqual(await left(), [spec.name]);
  });

  test("come to the second's instance where the first is given up", async () => {
    const giveUp = new AbortController();
    const first = await heldUp(giveUp.signal);
    const second = await waiting();
    giveUp.abort(new ProviderError("the session has ended"));
    first.goOn();
    assert.equal(await first.outcome, "the session has ended");
    assert.match(await second.outcome, /^running at \d+$/);
    const root = join(directory, "instances", spec.name, "rootfs");
    assert.equal(await readFile(join(root, "mark"), "utf8"), "made here");
  });

  test("come to the second's instance where the first cannot note its id", async () => {
    const first = await heldUp();
    const second = await waiting();
    first.fail(new Error("the node is another's"));
    assert.equal(await first.outcome, "the node is another's");
    assert.match(await second.outcome, /^running at \d+$/);
  });

  test("both end when the instance is deleted, and nothing of it stays", async () => {
    const first = await heldUp();
    const second = await waiting();
    const deleted = engine.deleteInstance(spec.name, patience());
    first.goOn();
    await deleted;
    for (const { outcome } of [first, second]) {
      assert.equal(await outcome, `${spec.name} was deleted while it was created`);
    }
    assert.deepEqual(await left(), []);
  });

  test("both end when the engine stops", async () => {
    const first = await heldUp();
    const second = await waiting();
    const stopped = engine.stop();
    first.goOn();
    await stopped;
    for (const { outcome } of [first, second]) assert.equal(await outcome, "the provider is stopping");
    assert.deepEqual(await left(), []);
  });

  test("end each with its own signal", async () => {
    const giveUp = new AbortController();
    const first = await heldUp();
    const second = await waiting(giveUp.signal);
    giveUp.abort(new ProviderError("the time is up"));
    assert.equal(await second.outcome, "the time is up");
    first.goOn();
    assert.match(await first.outcome, /^running at \d+$/);
  });

  test("do not give one launch the instance of another", async () => {
    const metadata = { ...spec.metadata, [METADATA.launchToken]: "another" };
    const outcomes = await Promise.all(
      [spec, { ...spec, metadata }].map((one) =>
        outcomeOf(engine.createInstance(one, async () => {}, patience())),
      ),
    );
    const refused = outcomes.filter((outcome) => outcome.includes("exists already, from another launch"));
    assert.equal(refused.length, 1, outcomes.join("; "));
  });
});

/** What a create came to, in words. */
function outcomeOf(create: Promise<Instance>): Promise<string> {
  return create.then(({ state, connectionPort }) => `${state} at ${connectionPort}`, messageOf);
}
