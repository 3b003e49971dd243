import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Script } from "../../../test/harness/scripted_openstack.ts";
import { setUp, signal } from "../../../test/harness/scripted_provider.ts";

describe("uploads to Glance", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nodepool-glance-"));
    await writeFile(join(folder, "image.raw"), "an image");
  });
  after(() => rm(folder, { recursive: true }));

  /** Uploads to a Glance that gives these answers when it is asked for the image. */
  async function upload(looks: readonly (string | null)[], metadata: Readonly<Record<string, string>> = {}) {
    let look = 0;
    const script: Script = ({ method, path }) => {
      if (method === "POST" && path === "/images") return { status: 201, body: { id: "i1" } };
      if (method === "PUT" || method === "DELETE") return { status: 204 };
      if (path !== "/images/i1") return undefined;
      const status = looks[Math.min(look, looks.length - 1)] ?? null;
      look += 1;
      return status === null ? { status: 404 } : { status: 200, body: { id: "i1", status } };
    };
    const { cloud, provider } = await setUp(script);
    await provider.start(signal);
    const path = join(folder, "image.raw");
    const spec = { name: "img-1", path, format: "raw", md5: null, sha256: null, metadata };
    const outcome = await provider.uploadImage(spec, signal).catch((error: Error) => error.message);
    return { outcome, calls: cloud.calls.filter(({ service }) => service === "image") };
  }

  test("an image that one Glance does not know yet is waited for, and not deleted", async () => {
    const { outcome, calls } = await upload([null, "saving", null, "active"]);
    assert.equal(outcome, "i1");
    assert.ok(calls.every(({ method }) => method !== "DELETE"));
  });

  test("an image that stays away has been given up", async () => {
    const { outcome, calls } = await upload(["saving", null]);
    assert.match(String(outcome), /Glance gave up image i1/);
    assert.equal(calls.at(-1)?.method, "DELETE");
  });

  test("sizes among an image's properties are numbers, as Glance wants them", async () => {
    const { calls } = await upload(["active"], { min_disk: "20", min_ram: "none", note: "5" });
    const body = JSON.parse(calls.find(({ method }) => method === "POST")?.body ?? "{}");
    assert.deepEqual([body.min_disk, body.min_ram, body.note], [20, "none", "5"]);
  });
});
