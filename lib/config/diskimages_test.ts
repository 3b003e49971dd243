import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "./load.ts";
import { ConfigError } from "./types.ts";

const parse = (text: string) => parseConfig(text, "f");

/** What is wrong with a file: where, and what. */
function errorsOf(text: string): string[] {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems.map(({ path, message }) => `${path}: ${message}`);
  }
  return [];
}

describe("a diskimage", () => {
  it("adds its elements and variables to its parents', and replaces the rest", () => {
    const disk = parse(`
diskimages:
  - name: child
    parent: middle
    elements: [c]
    env-vars: {B: child}
    formats: [vhd]
    metadata: {m: child}
  - {name: root, abstract: true, elements: [a], env-vars: {A: root, B: root}, pause: true, username: r, release: 12, formats: [raw], rebuild-age: 9, metadata: {m: root}}
  - {name: middle, parent: root, abstract: true, elements: [b], pause: false, username: m, rebuild-age: 0}
`).diskimages;
    assert.deepEqual([...disk.keys()], ["child"]);
    const child = disk.get("child");
    assert.deepEqual(
      [child?.elements, child?.envVars, child?.formats, child?.pause, child?.username, child?.release],
      [["a", "b", "c"], { A: "root", B: "child" }, ["vhd"], true, "m", "12"],
    );
    assert.deepEqual([child?.rebuildAge, child?.metadata], [9, { m: "child" }]);
  });

  it("is also built in the format of each provider that lists it", () => {
    const text = `
diskimages: [{name: disk, formats: [raw]}, {name: unused}]
providers:
  - {name: a, driver: local, diskimages: [{name: disk}]}
  - {name: b, driver: azure, location: l, resource-group: g, resource-group-location: l, diskimages: [{name: disk}]}
  - {name: c, driver: aws, region-name: r, image-format: ova, diskimages: [{name: disk}]}
`;
    const { diskimages } = parse(text);
    assert.deepEqual(diskimages.get("disk")?.formats, ["ova", "raw", "tar", "vhd"]);
    assert.deepEqual(diskimages.get("unused")?.formats, []);
  });

  it("keeps what its parent has where it has an empty value, or a variable of the environment is empty", () => {
    const full =
      "dib-cmd: dib, python-path: /p, shell-type: sh, release: '9', username: ci, formats: [raw], keep-formats: [vhd], rebuild-age: 5, build-timeout: 6";
    const empty =
      "dib-cmd: '', python-path: '', shell-type: '', release: '', username: '%(NODEPOOL_USER)', formats: [], keep-formats: [], rebuild-age: 0, build-timeout: 0";
    const text = `diskimages: [{name: root, ${full}}, {name: child, parent: root, ${empty}}, {name: own, ${empty}}]`;
    const { diskimages } = parseConfig(text, "f", { env: { NODEPOOL_USER: "" } });
    assert.deepEqual(diskimages.get("child"), { ...diskimages.get("root"), name: "child" });
    const own = parse("diskimages: [{name: own}]").diskimages.get("own");
    assert.deepEqual(diskimages.get("own"), own);
  });

  it("keeps the formats of its parent where it names none, each once and in order", () => {
    const { diskimages } = parse(`
diskimages:
  - {name: root, formats: [vhd, raw], keep-formats: [vhd, raw, vhd], delete-after-upload: true}
  - {name: child, parent: root}
  - {name: other, parent: root, formats: [vmdk], keep-formats: [raw], delete-after-upload: false}
`);
    const kept = [...diskimages.values()].map((image) => [
      image.formats,
      image.keepFormats,
      image.deleteAfterUpload,
    ]);
    const own = [["raw", "vhd"], ["raw", "vhd"], true];
    assert.deepEqual(kept, [own, own, [["vmdk"], ["raw"], false]]);
  });
});

describe("the parents of a diskimage", () => {
  const chain = (generations: number) =>
    `diskimages: [{name: i0}${Array.from({ length: generations }, (_, at) => `, {name: i${at + 1}, parent: i${at}}`).join("")}]`;

  it("are missed once, by the image that names them", () => {
    const text = "diskimages: [{name: a, parent: b}, {name: b, parent: bas}, {name: base}]";
    assert.deepEqual(errorsOf(text), [
      'diskimages[1].parent: diskimage b has the parent bas, which is not among the diskimages; did you mean "base"?',
    ]);
  });

  it("are not told to be the image itself where a name is misspelt", () => {
    const missed =
      "diskimages[0].parent: diskimage focal has the parent focl, which is not among the diskimages";
    assert.deepEqual(errorsOf("diskimages: [{name: focal, parent: focl}, {name: x}]"), [missed]);
    assert.deepEqual(errorsOf("diskimages: [{name: focal, parent: focl}, {name: foc}]"), [
      `${missed}; did you mean "foc"?`,
    ]);
  });

  it("form no circle, which is said by each image in it", () => {
    const text = "diskimages: [{name: a, parent: b}, {name: b, parent: c}, {name: c, parent: b}]";
    assert.deepEqual(errorsOf(text), [
      "diskimages[1].parent: its parents form a circle: b -> c -> b",
      "diskimages[2].parent: its parents form a circle: c -> b -> c",
    ]);
    assert.deepEqual(errorsOf("diskimages: [{name: a, parent: a}]"), [
      "diskimages[0].parent: its parents form a circle: a -> a",
    ]);
  });

  it("go back for a hundred generations at most", () => {
    assert.deepEqual(errorsOf(chain(99)), []);
    assert.deepEqual(errorsOf(chain(100)), [
      "diskimages[100].parent: has more than 100 generations of parents",
    ]);
  });
});
