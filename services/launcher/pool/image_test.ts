import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PoolLabelConfig, ProviderConfig } from "../../../lib/config/types.ts";
import { newUpload, type UploadRecord } from "../../../lib/model/image.ts";
import type { ImageEntry } from "../../../lib/zookeeper/view.ts";
import { pool } from "../../../test/harness/world.ts";
import { findImage } from "./image.ts";

interface Given {
  readonly build: string;
  readonly upload?: string;
  readonly provider?: string;
  readonly at: number;
  readonly more?: Partial<UploadRecord>;
}

/** The view of an image with these uploads, each of a build. */
function viewOf(given: readonly Given[]): { image: (name: string) => ImageEntry | undefined } {
  const builds = [...new Set(given.map(({ build }) => build))].map((build) => {
    const uploads = given
      .filter((each) => each.build === build)
      .map(({ upload = "1", provider = "cloud", at, more }) => ({
        image: "disk",
        build,
        provider,
        upload,
        record: newUpload(at, { state: "ready", externalId: `${build}-${upload}`, ...more }),
      }));
    return { uploads };
  });
  return { image: (name) => (name === "disk" ? ({ builds } as unknown as ImageEntry) : undefined) };
}

const labelOf = (more: Partial<PoolLabelConfig>) => {
  const [label] = pool("cloud/main", ["small"]).pool.labels;
  return { ...(label as PoolLabelConfig), diskimage: null, cloudImage: null, ...more };
};
const find = (
  view: ReturnType<typeof viewOf>,
  label: Partial<PoolLabelConfig>,
  provider: Partial<ProviderConfig> = {},
) => findImage(view, pool("cloud/main", ["small"], { provider }), labelOf(label));

describe("a label of a diskimage", () => {
  const disk = { diskimage: "disk" };

  it("is launched from the upload that became ready last, whichever build and number it is of", () => {
    const uploads = [
      { build: "a", upload: "1", at: 10 },
      { build: "a", upload: "2", at: 30 },
      { build: "b", at: 20 },
    ];
    for (const given of [uploads, uploads.toReversed()]) {
      const image = find(viewOf(given), disk);
      assert.deepEqual(
        [image?.externalId, image?.image, image?.build, image?.upload, image?.imageId],
        ["a-2", "disk", "a", "2", "/nodepool/images/disk/builds/a/providers/cloud/images/2"],
      );
    }
  });

  it("is not launched from uploads that are not ready, nor from those of other providers", () => {
    const image = find(
      viewOf([
        { build: "a", at: 10 },
        { build: "b", at: 20, more: { state: "deleting" } },
        { build: "c", at: 30, provider: "other" },
      ]),
      disk,
    );
    assert.equal(image?.build, "a");
  });

  it("is not launched while there is no upload, or none that the provider has a name for", () => {
    assert.equal(find(viewOf([]), { diskimage: "gone" }), null);
    assert.equal(find(viewOf([{ build: "a", at: 1, more: { externalId: null } }]), disk), null);
  });

  it("is connected to as the upload and the provider's diskimages say", () => {
    const more = { username: "me", pythonPath: "/p", shellType: "sh" };
    const view = viewOf([{ build: "a", at: 10, more }]);
    const other = { name: "other", pause: false, connectionType: "x", connectionPort: 1, meta: {} };
    const windows = { ...other, name: "disk", connectionType: "winrm", connectionPort: 5986 };
    const keys = (diskimages: ProviderConfig["diskimages"]) => {
      const image = find(view, disk, { diskimages });
      return [
        image?.username,
        image?.pythonPath,
        image?.shellType,
        image?.connectionType,
        image?.connectionPort,
      ];
    };
    assert.deepEqual(keys([other, windows]), ["me", "/p", "sh", "winrm", 5986]);
    assert.deepEqual(keys([other]), ["me", "/p", "sh", "ssh", 22]);
  });
});

describe("a label of a cloud image", () => {
  it("is launched from what the provider says of it", () => {
    const settings = { "cloud-images": [{ name: "debian", username: "admin", "connection-port": 2222 }] };
    assert.deepEqual(find(viewOf([]), { cloudImage: "debian" }, { settings }), {
      imageId: "debian",
      externalId: "debian",
      image: "debian",
      build: null,
      upload: null,
      username: "admin",
      pythonPath: "auto",
      shellType: null,
      connectionType: "ssh",
      connectionPort: 2222,
    });
  });
});

describe("a label without an image", () => {
  it("is of machines that are there, and has an empty name for it", () => {
    const image = find(viewOf([]), {});
    assert.deepEqual([image?.imageId, image?.externalId, image?.build], ["", "", null]);
  });
});
