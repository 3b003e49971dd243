// The provider that the builder's tests upload to does with images what a real one does.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe } from "node:test";
import { testImages } from "../../lib/provider/contract/images.ts";
import { Place } from "../../lib/provider/contract/place.ts";
import { FakeImageProvider } from "./fake_image_provider.ts";

describe("the provider of images in memory keeps the contract on images", () => {
  const place = new Place(async () => {
    const folder = await mkdtemp(join(tmpdir(), "nodepool-images-"));
    const path = join(folder, "image.qcow2");
    await writeFile(path, "an image");
    return {
      provider: new FakeImageProvider("here"),
      image: { path, format: "qcow2", mark: "" },
      username: "zuul",
      privateKey: "",
      close: () => rm(folder, { recursive: true }),
    };
  }, {});
  before(() => place.open());
  after(() => place.close());

  testImages(place);
});
