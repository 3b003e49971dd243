import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setUp } from "../../../test/harness/api_client_case.ts";
import { ImageApi } from "./image.ts";

const signal = new AbortController().signal;

/** Glance with these images, of which it knows one by its id. */
async function glanceWith(images: readonly { readonly id: string; readonly [key: string]: unknown }[]) {
  const { api, cloud } = await setUp(({ method, path }) => {
    if (method === "POST") return { status: 201, body: { id: "new" } };
    const named = new URL(path, "http://glance").searchParams.get("name");
    if (path.startsWith("/images?")) {
      return { status: 200, body: { images: images.filter(({ name }) => named === null || name === named) } };
    }
    const found = images.find(({ id }) => path === `/images/${id}`);
    return found === undefined ? { status: 404, body: "" } : { status: 200, body: found };
  });
  return { image: new ImageApi(api), cloud };
}

describe("images in Glance", () => {
  const id = "0123456789abcdef0123456789abcdef";

  test("one is found by its id, with hyphens or without", async () => {
    const dashed = "01234567-89ab-cdef-0123-456789abcdef";
    const { image } = await glanceWith([{ id }, { id: dashed }]);
    assert.equal(await image.find(id, signal), id);
    assert.equal(await image.find(dashed, signal), dashed);
  });

  test("one that is found by its name is one that servers can boot from", async () => {
    const { image } = await glanceWith([
      { id: "1", name: "debian", status: "queued" },
      { id: "2", name: "debian", status: "active" },
    ]);
    assert.equal(await image.find("debian", signal), "2");
  });

  test("a name that is that of two is refused with both ids", async () => {
    const { image } = await glanceWith([
      { id: "1", name: "debian", status: "active" },
      { id: "2", name: "debian", status: "active" },
    ]);
    await assert.rejects(image.find("debian", signal), /that of 2 images \(1, 2\): set image-id/);
  });

  test("no property takes the place of what Glance itself says of an image, and sizes are numbers", async () => {
    const { image, cloud } = await glanceWith([]);
    const properties = {
      name: "mine",
      visibility: "public",
      disk_format: "iso",
      min_disk: "5",
      min_ram: "64",
    };
    await image.create({ name: "img-1", diskFormat: "raw", properties }, signal);
    const {
      name,
      visibility,
      disk_format: format,
      min_disk,
      min_ram,
    } = JSON.parse(cloud.calls[0]?.body ?? "");
    assert.deepEqual([name, visibility, format, min_disk, min_ram], ["img-1", "private", "raw", 5, 64]);
  });

  test("a property that Glance has as a list or a truth value is sent as one, and as a text where it is none", async () => {
    const { image, cloud } = await glanceWith([]);
    const sent = async (properties: Readonly<Record<string, string>>) => {
      await image.create({ name: "img-1", diskFormat: "raw", properties }, signal);
      const { protected: isProtected, tags } = JSON.parse(cloud.calls.at(-1)?.body ?? "");
      return [isProtected, tags];
    };
    assert.deepEqual(await sent({ protected: "true", tags: '["ci",8]' }), [true, ["ci", "8"]]);
    assert.deepEqual(await sent({ protected: "No", tags: "8" }), [false, "8"]);
    assert.deepEqual(await sent({ protected: "maybe", tags: "[ci" }), ["maybe", "[ci"]);
    assert.deepEqual(await sent({}), [undefined, undefined]);
  });

  test("its properties are those that somebody gave it", async () => {
    const { image } = await glanceWith([
      { id, name: "i", checksum: "c", os_hidden: false, colour: "red", n: 1 },
    ]);
    assert.deepEqual((await image.image(id, signal))?.properties, { colour: "red" });
  });

  test("one that is not there is as good as deleted", async () => {
    const { image } = await glanceWith([]);
    assert.equal(await image.delete(id, signal), false);
  });
});
