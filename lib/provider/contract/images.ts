// What a provider does with images.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NotFoundError, ProviderError } from "../contract.ts";
import type { Place } from "./place.ts";

/** Declares the tests about images. */
export function testImages(place: Place): void {
  test("an uploaded image is listed with its metadata until it is deleted", async () => {
    const spec = place.imageSpec("0000000002");
    const id = await place.provider.uploadImage(spec, place.signal());
    const listed = (await place.provider.listImages(place.signal())).find(
      ({ externalId }) => externalId === id,
    );
    assert.equal(listed?.name, spec.name);
    assert.deepEqual({ ...listed?.metadata }, { ...spec.metadata });
    await place.provider.deleteImage(id, place.signal());
    const left = await place.provider.listImages(place.signal());
    assert.equal(
      left.some(({ externalId }) => externalId === id),
      false,
    );
  });

  test("two uploads of one file at a time are two images", async () => {
    const [first, second] = await Promise.all([
      place.provider.uploadImage(place.imageSpec("0000000003"), place.signal()),
      place.provider.uploadImage(place.imageSpec("0000000004"), place.signal()),
    ]);
    assert.notEqual(first, second);
    await place.provider.deleteImage(first, place.signal());
    const left = await place.provider.listImages(place.signal());
    assert.equal(
      left.some(({ externalId }) => externalId === second),
      true,
    );
    await place.provider.deleteImage(second, place.signal());
  });

  test("a file that is no image is refused and leaves no image", async () => {
    const images = (await place.provider.listImages(place.signal())).length;
    const spec = { ...place.imageSpec("0000000005"), path: "/dev/null" };
    await assert.rejects(place.provider.uploadImage(spec, place.signal()), ProviderError);
    assert.equal((await place.provider.listImages(place.signal())).length, images);
  });

  test("a file with another checksum than the built one is refused and leaves no image", async () => {
    const images = (await place.provider.listImages(place.signal())).length;
    const spec = { ...place.imageSpec("0000000006"), sha256: "0".repeat(64) };
    await assert.rejects(place.provider.uploadImage(spec, place.signal()), /sha256/);
    assert.equal((await place.provider.listImages(place.signal())).length, images);
  });

  test("an image that does not exist can be deleted", async () => {
    await place.provider.deleteImage(`sha256:${"0".repeat(64)}`, place.signal());
    await place.provider.deleteImage("no-such-image", place.signal());
  });

  test("an instance of a missing image is refused as not found", async () => {
    const spec = place.instanceSpec({ imageExternalId: `sha256:${"1".repeat(64)}` });
    await assert.rejects(place.create(spec), NotFoundError);
    const names = (await place.provider.listInstances(place.signal())).map(({ name }) => name);
    assert.equal(names.includes(spec.name), false);
  });
}
