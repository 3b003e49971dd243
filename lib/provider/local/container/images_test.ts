import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readlinkSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { until } from "../../../../test/harness/launcher.ts";
import { type Clock, systemClock } from "../../../std/clock.ts";
import { silentLogger } from "../../../std/logger.ts";
import { ProviderError } from "../../contract.ts";
import { DockerApi } from "./docker_api.ts";
import { ContainerImages } from "./images.ts";

const NOW = 1_000_000;

/** Sweeps an engine with these images, which removes an image as it is told to; gives what was logged. */
async function sweep(
  images: readonly object[],
  remove: (id: string) => Promise<void>,
  changes: Partial<Clock> = {},
): Promise<unknown[]> {
  const docker = {
    listImages: async () => images,
    getImage: (id: string) => ({ remove: () => remove(id) }),
  };
  const api = Object.assign(new DockerApi("/no/such/socket"), { docker });
  const clock = { ...systemClock, now: () => NOW * 1000, ...changes };
  const logged: unknown[] = [];
  const logger = { ...silentLogger, warn: (...line: unknown[]) => void logged.push(line) };
  await new ContainerImages(api, "owner", clock, logger).sweep(new AbortController().signal);
  return logged;
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

test("an image whose removal the engine does not answer is given up after a minute", async () => {
  const after = (milliseconds: number, callback: () => void) => {
    if (milliseconds === 60_000) callback();
    return () => {};
  };
  const images = [{ Id: "sha256:1", RepoTags: ["nodepool/deleted:1"], Labels: {} }];
  const logged = await sweep(images, () => new Promise(() => {}), { after });
  const fields = { image: "sha256:1", error: "the engine has not removed image sha256:1 within 60 s" };
  assert.deepEqual(logged, [["image could not be removed", fields]]);
});

const skip = process.platform === "linux" ? false : "open files are counted in /proc";
test("a tar that the engine refuses before it has read it is closed", { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-images-"));
  const path = join(folder, "image.tar");
  writeFileSync(path, `${"\0".repeat(257)}ustar`);
  truncateSync(path, 64 * 1024 * 1024);
  const engine = createServer((_request, response) => response.writeHead(500).end("no space left"));
  await new Promise<void>((resolve) => engine.listen(join(folder, "socket"), resolve));
  const images = new ContainerImages(
    new DockerApi(join(folder, "socket")),
    "owner",
    systemClock,
    silentLogger,
  );
  const spec = { name: "img", path, format: "tar", md5: null, sha256: null, metadata: {} };
  try {
    await assert.rejects(images.upload(spec, new AbortController().signal), ProviderError);
    await until("the tar is closed", () => !openFiles().includes(path));
  } finally {
    engine.closeAllConnections();
    await new Promise((resolve) => engine.close(resolve));
    rmSync(folder, { recursive: true });
  }
});

function openFiles(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}
