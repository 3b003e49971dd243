import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newUpload } from "../../../lib/model/image.ts";
import { node, pool } from "../../../test/harness/world.ts";
import type { Environment } from "../environment.ts";
import type { Launch } from "../state.ts";
import { attemptImage, withImage } from "./attempt_image.ts";

const OLD = "/nodepool/images/image/builds/b/providers/cloud/images/1";
const NEW = "/nodepool/images/image/builds/b/providers/cloud/images/2";

/** A launch whose node says this, where these uploads are ready; a later one is newer. */
function given(uploads: readonly string[], more: Parameters<typeof node>[2] = {}, labels = ["small"]) {
  const entries = uploads.map((upload, index) => {
    const record = newUpload(index, { state: "ready", externalId: `up${upload}`, username: `user${upload}` });
    return { image: "image", build: "b", provider: "cloud", upload, record };
  });
  const environment = { context: { view: { image: () => ({ builds: [{ uploads: entries }] }) } } };
  const { record } = node("0001", "building", more);
  const launch = { node: "0001", label: "small", pool: pool("cloud/main", labels), record } as Launch;
  return { environment: environment as unknown as Environment, launch };
}

/** The provider's id of the image, and what the node says of it. */
function found(...from: Parameters<typeof given>) {
  const { environment, launch } = given(...from);
  const { image, record } = attemptImage(environment, launch);
  return [image.externalId, record.imageId, record.username];
}

describe("an attempt to launch a node", () => {
  it("is made from the image that the node names, also when there is a newer one", () => {
    const named = { imageId: OLD, username: "user1" };
    assert.deepEqual(found(["1", "2"], named), ["up1", OLD, "user1"]);
  });

  it("is made from the newest when that is gone, and the node names that first", () => {
    assert.deepEqual(found(["2"], { imageId: OLD, username: "user1" }), ["up2", NEW, "user2"]);
    assert.deepEqual(found(["2"], { imageId: null }), ["up2", NEW, "user2"]);
  });

  it("changes nothing of a node whose instance is there", () => {
    const begun = { imageId: OLD, username: "user1", externalId: "fake-1" };
    assert.deepEqual(found(["2"], begun), ["up2", OLD, "user1"]);
  });

  it("is refused for good where its image, or the label itself, is gone", () => {
    assert.throws(() => found([]), /'small' cannot be launched: its image is not at the provider any more$/);
    assert.throws(() => found(["1"], {}, ["large"]), /: it is not in the pool any more$/);
  });

  it("is told of the newest image when it is about to begin, and of none while there is none", () => {
    const { environment, launch } = given(["1", "2"], { imageId: OLD, username: "user1" });
    const { imageId, username } = withImage(environment, launch, launch.record);
    assert.deepEqual([imageId, username], [NEW, "user2"]);
    const none = given([], { imageId: OLD });
    assert.equal(withImage(none.environment, none.launch, none.launch.record).imageId, OLD);
  });

  it("leaves the user of a cloud image that names none to whoever logs in", () => {
    const { environment, launch } = given([]);
    const userOf = (image: object) => {
      const settings = { "cloud-images": [{ name: "debian", ...image }] };
      const served = pool("cloud/main", [], { provider: { settings } });
      const [label] = launch.pool.pool.labels;
      assert.ok(label);
      const labels = [{ ...label, diskimage: null, cloudImage: "debian" }];
      const of = { ...launch, pool: { ...served, pool: { ...served.pool, labels } } };
      return withImage(environment, of, launch.record).username;
    };
    assert.deepEqual([userOf({}), userOf({ username: "admin" })], [null, "admin"]);
  });
});
