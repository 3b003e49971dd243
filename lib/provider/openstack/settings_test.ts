import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "../../config/load.ts";
import { readSettings } from "./settings.ts";

/** The settings of a provider with one label. */
function settingsOf(provider: string, image: string) {
  const text = `labels: [{name: small}]
diskimages: [{name: disk}]
providers: [{name: p, cloud: c, ${provider}, pools: [{name: m, labels: [{name: small, min-ram: 1, ${image}}]}]}]`;
  const [config] = parseConfig(text, "f").providers;
  assert.ok(config !== undefined);
  return readSettings(config);
}

describe("the settings of an OpenStack provider", () => {
  it("name the cloud and the region", () => {
    const { cloud, region } = settingsOf("region-name: r", "diskimage: disk");
    assert.deepEqual([cloud, region], ["c", "r"]);
  });
});

describe("the image of an OpenStack label", () => {
  it("goes by its id, by its name in the cloud, or by its name here", () => {
    const nameOf = (keys: string) =>
      settingsOf(`cloud-images: [{name: i${keys}}]`, "cloud-image: i").labels[0]?.cloudImage;
    assert.deepEqual(["", ", image-name: n", ", image-id: x"].map(nameOf), ["i", "n", "x"]);
  });

  it("may have a name that YAML takes for a number", () => {
    const { labels } = settingsOf("cloud-images: [{name: 9, image-name: 22.04}]", "cloud-image: 9");
    assert.equal(labels[0]?.cloudImage, "22.04");
  });

  it("is the last of several with one name", () => {
    const cloud = settingsOf(
      "cloud-images: [{name: i, image-id: x}, {name: i, image-id: y}]",
      "cloud-image: i",
    );
    assert.equal(cloud.labels[0]?.cloudImage, "y");
    const disk = settingsOf(
      "diskimages: [{name: disk, config-drive: true}, {name: disk}]",
      "diskimage: disk",
    );
    assert.equal(disk.labels[0]?.configDrive, undefined);
  });

  it("says whether there is a config drive, if it is a disk image too", () => {
    const { labels } = settingsOf("diskimages: [{name: disk, config-drive: true}]", "diskimage: disk");
    assert.equal(labels[0]?.configDrive, true);
  });
});
