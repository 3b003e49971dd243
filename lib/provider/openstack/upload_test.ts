import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Script } from "../../../test/harness/scripted_openstack.ts";
import { setUp, signal } from "../../../test/harness/scripted_provider.ts";
import type { ImageSpec } from "../contract.ts";
import { metadataOf } from "./upload.ts";

describe("uploads to Glance", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nodepool-glance-"));
    await writeFile(join(folder, "image.raw"), "an image");
    await writeFile(join(folder, "empty.raw"), "");
  });
  after(() => rm(folder, { recursive: true }));

  /**
   * Uploads to a Glance that gives these answers when it is asked for the image: its status, or that and its MD5. `sent`
   * is what it answers to the file, each time that it is sent.
   */
  async function upload(
    looks: readonly (string | null)[],
    metadata: Readonly<Record<string, string>> = {},
    given: Partial<ImageSpec> & { readonly sent?: readonly number[] } = {},
  ) {
    const { sent = [], ...file } = given;
    const answers = sent.values();
    let look = 0;
    const script: Script = ({ method, path }) => {
      if (method === "POST" && path === "/images") return { status: 201, body: { id: "i1" } };
      if (method === "PUT") return { status: answers.next().value ?? 204 };
      if (method === "DELETE") return { status: 204 };
      if (path !== "/images/i1") return undefined;
      const status = looks[Math.min(look, looks.length - 1)] ?? null;
      look += 1;
      const [said, checksum] = status?.split(" ") ?? [];
      return status === null ? { status: 404 } : { status: 200, body: { id: "i1", status: said, checksum } };
    };
    const { cloud, provider } = await setUp(script);
    await provider.start(signal);
    const path = join(folder, "image.raw");
    const spec = { name: "img-1", path, format: "raw", md5: null, sha256: null, metadata, ...file };
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

  test("a file that is not the one that was built does not stay in Glance", async () => {
    for (const name of ["md5", "sha256"] as const) {
      const { outcome, calls } = await upload(["active"], {}, { [name]: "other" });
      assert.match(
        String(outcome),
        new RegExp(`is not the file that was built: its ${name} is \\w+, not other`),
      );
      assert.equal(calls.at(-1)?.method, "DELETE");
    }
  });

  test("an image that Glance has otherwise than it was sent is refused", async () => {
    const { outcome, calls } = await upload(["active abc"]);
    assert.match(String(outcome), /Glance has another image than .*: its MD5 is abc, not/);
    assert.equal(calls.at(-1)?.method, "DELETE");
  });

  test("an image whose content was taken without an answer is there", async () => {
    assert.equal((await upload(["active"], {}, { sent: [500] })).outcome, "i1");
    assert.match(String((await upload(["queued"], {}, { sent: [500] })).outcome), /answered 500/);
  });

  test("an image that was refused for being a call too many, when it was sent already, is sent again", async () => {
    const content = "an image";
    const hash = (name: string) => createHash(name).update(content).digest("hex");
    const file = { md5: hash("md5"), sha256: hash("sha256") };
    const { outcome, calls } = await upload([`active ${file.md5}`], {}, { ...file, sent: [429, 204] });
    const bodies = calls.filter(({ method }) => method === "PUT").map(({ body }) => body);
    assert.deepEqual([outcome, bodies], ["i1", [content, content]]);
  });

  test("an empty file is no image, and nothing is made of it", async () => {
    const { outcome, calls } = await upload(["active"], {}, { path: join(folder, "empty.raw") });
    assert.match(String(outcome), /empty\.raw is no image: it is empty/);
    assert.ok(calls.every(({ method }) => method === "GET"));
  });

  test("an image says which file it was made of, where openstacksdk looks for it", async () => {
    const md5 = createHash("md5").update("an image").digest("hex");
    const { calls } = await upload(["active"], {}, { md5 });
    const body = JSON.parse(calls.find(({ method }) => method === "POST")?.body ?? "{}");
    assert.equal(body["owner_specified.openstack.md5"], md5);
    assert.equal("owner_specified.openstack.sha256" in body, false);
  });

  test("what was given with an image is told without what OpenStack adds to it", () => {
    const foreign = ["owner_specified.openstack.md5", "os_hash_algo", "stores", "owner_user_name"];
    const properties = Object.fromEntries([...foreign, "note", "stores_more"].map((key) => [key, "x"]));
    assert.deepEqual(metadataOf(properties), { note: "x", stores_more: "x" });
  });
});
