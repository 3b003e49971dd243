import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../../std/clock.ts";
import { silentLogger } from "../../../std/logger.ts";
import type { DockerApi } from "./docker_api.ts";
import { ContainerImages } from "./images.ts";

const NOW = 1_000_000;

/** Sweeps an engine with these images, which removes an image as it is told to. */
async function sweep(images: readonly object[], remove: (id: string) => Promise<void>): Promise<void> {
  const docker = {
    listImages: async () => images,
    getImage: (id: string) => ({ remove: () => remove(id) }),
  };
  const call: DockerApi["call"] = (signal, run) => run(docker as unknown as DockerApi["docker"], signal);
  const clock = { ...systemClock, now: () => NOW * 1000 };
  const swept = new ContainerImages({ call } as DockerApi, "owner", clock, silentLogger);
  await swept.sweep(AbortSignal.timeout(1000));
}

/** What a sweep removes of an image with these tags that is so many seconds old. */
async function swept(RepoTags: string[] | null, age = 0): Promise<string[]> {
  const removed: string[] = [];
  const image = { Id: "sha256:1", RepoTags, Created: NOW - age, Labels: {} };
  await sweep([image], async (id) => void removed.push(id));
  return removed;
}

test("an image that was deleted goes", async () => {
  assert.deepEqual(await swept(["localhost/nodepool/deleted:1"]), ["sha256:1"]);
});

test("an image that is wanted stays, also where its deletion was begun and not ended", async () => {
  assert.deepEqual(await swept(["nodepool/image:1"]), []);
  assert.deepEqual(await swept(["nodepool/image:1", "nodepool/deleted:2"]), []);
});

test("an image that has no name yet is being uploaded and stays; one that got none within an hour goes", async () => {
  assert.deepEqual(await swept(null), []);
  assert.deepEqual(await swept(["<none>:<none>"], 3000), []);
  assert.deepEqual(await swept(null, 4000), ["sha256:1"]);
});

test("an image that cannot be removed holds up neither the others nor who asked for the sweep", async () => {
  const asked: string[] = [];
  const images = ["sha256:1", "sha256:2"].map((Id) => ({ Id, RepoTags: ["nodepool/deleted:1"], Labels: {} }));
  await sweep(images, async (id) => {
    asked.push(id);
    throw new Error("must be forced");
  });
  assert.deepEqual(asked, ["sha256:1", "sha256:2"]);
});
