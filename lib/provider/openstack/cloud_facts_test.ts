import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openStackLabel } from "../../../test/harness/openstack_label.ts";
import { type Clock, systemClock } from "../../std/clock.ts";
import { silentLogger } from "../../std/logger.ts";
import { NotFoundError } from "../contract.ts";
import { CloudFacts } from "./cloud_facts.ts";
import type { Compute } from "./compute.ts";
import type { ImageApi } from "./image.ts";
import type { NetworkApi } from "./network.ts";
import type { LabelSettings } from "./settings.ts";

const signal = new AbortController().signal;
const small = openStackLabel({ minRam: 1 });

/** What is known of a cloud with one flavor, and what it was asked. */
function setUp(changes: Partial<LabelSettings> = {}) {
  const cloud = { zones: ["a"] as readonly string[] | null, images: ["base"], now: 0, setBack: 0 };
  const asked = { flavors: 0, images: 0 };
  const warnings: unknown[] = [];
  const heard: (readonly string[])[] = [];
  const services = {
    compute: {
      flavors: async () => {
        asked.flavors += 1;
        return [{ id: "f", name: "small", cores: 1, ram: 64 }];
      },
      zones: async () => cloud.zones ?? Promise.reject(new Error("policy")),
    } as unknown as Compute,
    network: { networks: async () => [] } as unknown as NetworkApi,
    image: {
      find: async (name: string) => {
        asked.images += 1;
        if (!cloud.images.includes(name)) throw new NotFoundError(`image '${name}' does not exist`);
        return `id of ${name}`;
      },
    } as unknown as ImageApi,
  };
  const clock: Clock = { ...systemClock, now: () => cloud.now - cloud.setBack, elapsed: () => cloud.now };
  const logger = { ...silentLogger, warn: (_: string, fields?: object) => warnings.push(fields) };
  const label = { ...small, ...changes };
  const facts: CloudFacts = new CloudFacts([label], services, {
    clock,
    logger,
    closing: signal,
    onProblem: () => heard.push(facts.problems),
  });
  return { facts, label, cloud, asked, warnings, heard };
}

describe("what a cloud has", () => {
  test("it is asked for again after five minutes, after a doubt sooner, but not at once", async () => {
    const { facts, cloud, asked } = setUp();
    const after = async (milliseconds: number) => {
      cloud.now += milliseconds;
      await facts.refresh(signal);
      return asked.flavors;
    };
    assert.equal(await after(0), 1);
    assert.equal(await after(299_999), 1);
    assert.equal(await after(1), 2);
    facts.doubt();
    assert.equal(await after(4999), 2);
    assert.equal(await after(1), 3);
    assert.equal(await after(5000), 3, "the doubt is gone");
  });

  test("it is asked for again after five minutes, also when the clock was set back meanwhile", async () => {
    const { facts, cloud, asked } = setUp();
    for (let times = 0; times < 2; times += 1) {
      await facts.refresh(signal);
      await facts.imageId("base", signal);
      cloud.now += 300_000;
      cloud.setBack = 3_600_000;
    }
    assert.deepEqual(asked, { flavors: 2, images: 2 });
  });

  test("whoever asks meanwhile gets the same answer", async () => {
    const { facts, asked } = setUp();
    await Promise.all([facts.refresh(signal), facts.refresh(signal)]);
    assert.equal(asked.flavors, 1);
  });

  test("an image's id holds for five minutes, or until there is a doubt", async () => {
    const { facts, cloud, asked } = setUp();
    const after = async (milliseconds: number) => {
      cloud.now += milliseconds;
      await facts.imageId("base", signal);
      return asked.images;
    };
    assert.equal(await after(0), 1);
    assert.equal(await after(299_999), 1);
    assert.equal(await after(1), 2);
    facts.doubt();
    assert.equal(await after(0), 3);
  });

  test("a zone is asked for when the pool or the cloud lists it, or the cloud tells none", async () => {
    const { facts, label, cloud } = setUp({ zones: ["own"] });
    assert.equal(facts.zoneFor(label, "any"), "any");
    await facts.refresh(signal);
    assert.deepEqual(
      ["own", "a", "closed", null].map((zone) => facts.zoneFor(label, zone)),
      ["own", "a", null, null],
    );
    cloud.zones = null;
    cloud.now += 300_000;
    await facts.refresh(signal);
    assert.deepEqual(facts.zones, ["a"], "the last that were known");
  });

  test("a missing image is told once, with its label and key, and the daemon hears when that changes", async () => {
    const { facts, cloud, warnings, heard } = setUp({ cloudImage: "other" });
    const problem = "label 'small': cloud-image: image 'other' does not exist";
    for (let times = 0; times < 2; times += 1) {
      cloud.now += 300_000;
      await facts.refresh(signal);
    }
    assert.deepEqual([warnings, heard], [[{ problem }], [[problem]]]);
    cloud.images = ["other"];
    cloud.now += 300_000;
    await facts.refresh(signal);
    assert.deepEqual(heard, [[problem], []]);
  });

  test("a node of a label whose flavor is not known takes one instance and its volume", async () => {
    const { facts, label } = setUp({ minRam: 1000, volumeSize: 7 });
    await facts.refresh(signal);
    assert.deepEqual(facts.resourcesOf(label), { instances: 1, volumes: 1, "volume-gb": 7 });
    assert.deepEqual(facts.resourcesOf(undefined), { instances: 1 });
  });
});
