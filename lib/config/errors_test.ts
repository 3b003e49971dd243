import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "./load.ts";
import { ConfigError } from "./types.ts";

/** The message with the file's name left out. */
function messageOf(text: string, secure?: string): string {
  const options = secure === undefined ? {} : { secure: { text: secure, file: "s" } };
  try {
    parseConfig(text, "f", options);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll(/^f:/gm, "");
    throw error;
  }
  return "accepted";
}

const provider = (keys: string) =>
  `labels: [{name: small}]\ndiskimages: [{name: disk}, {name: ghost, abstract: true}]\nproviders:\n- name: p\n  driver: local\n  ${keys}`;
const label = (keys: string) =>
  provider(`diskimages: [{name: disk}]\n  pools: [{name: main, labels: [${keys}]}]`);

const invalid: readonly [string, string, string, string?][] = [
  [
    "an INI file as the secure one",
    "",
    "s:3:1: not valid YAML: Unexpected scalar at node end; it looks like an INI file: write it in YAML, as KEY: VALUE",
    "# our database\n[database]\ndburi=x",
  ],
  ["a list as the file", "- a", "1:1: must be a mapping of keys to values, but is a list"],
  ["a word as the file", "hello", '1:1: must be a mapping of keys to values, but is the text "hello"'],
  [
    "broken YAML",
    "a: [1, 2\nb: 3",
    "2:1: not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]",
  ],
  ["a tab", "labels:\n\t- name: a", "2:1: not valid YAML: Tabs are not allowed as indentation"],
  ["two documents", "a: 1\n---\nb: 2", "2:1: not valid YAML: a second document begins here"],
  ["an alias of nothing", "labels: *x", "1:9: the alias *x is not defined above"],
  ["an alias of itself", "labels: &x [*x]", "1:13: the alias *x contains itself"],
  [
    "a mapping as a key",
    "{a: b}: c",
    "1:1: a key must be a word; write it in quotes if it begins with [ or {",
  ],
  ["a merge of a text", "<<: a", "1:5: <<: must be a mapping or a list of mappings, as *NAME of an anchor"],
  ["a tag that nobody knows", "images-dir: !secret x", "1:13: not valid YAML: Unresolved tag: !secret"],
  [
    "a word for a number",
    "labels: [{name: a, min-ready: two}]",
    '1:31: labels[0].min-ready: must be a whole number (nodes), but is the text "two"',
  ],
  [
    "a fraction for a whole number",
    "max-hold-age: 1.5",
    "1:15: max-hold-age: must be a whole number (seconds), but is the number 1.5",
  ],
  [
    "a truth value for a number",
    "max-hold-age: yes",
    "1:15: max-hold-age: must be a whole number (seconds), but is the truth value yes",
  ],
  [
    "a port that cannot be",
    "zookeeper-servers: [{host: a, port: 70000}]",
    "1:37: zookeeper-servers[0].port: must be a whole number (a port) from 1 to 65535, but is the number 70000",
  ],
  [
    "a server without a host",
    "zookeeper-servers: [{port: 1}]",
    "1:21: zookeeper-servers[0]: host is missing",
  ],
  [
    "half of TLS",
    "zookeeper-tls: {cert: a}",
    "1:16: zookeeper-tls: key is missing\n1:16: zookeeper-tls: ca is missing",
  ],
  [
    "no timeout",
    "zookeeper-timeout: 0",
    "1:20: zookeeper-timeout: must be a number (seconds) of 0.1 or more, but is the number 0",
  ],
  [
    "a chroot without a slash",
    "zookeeper-servers: [{host: a, chroot: np}]",
    '1:39: zookeeper-servers[0].chroot: must be a path as /nodepool, but is the text "np"',
  ],
  [
    "a chroot that leads out",
    "zookeeper-servers: [{host: a, chroot: /a/../b}]",
    '1:39: zookeeper-servers[0].chroot: must be a path as /nodepool, but is the text "/a/../b"',
  ],
  [
    "different chroots",
    "zookeeper-servers: [{host: a, chroot: /a}, {host: b}]",
    "1:39: zookeeper-servers[0].chroot: all servers must have the same chroot; write it at the last server only",
  ],
  [
    "labels as a mapping",
    "labels: {a: 1}",
    "1:9: labels: must be a list, but is a mapping; begin each entry with a dash",
  ],
  [
    "a label as a word",
    "labels: [small]",
    '1:10: labels[0]: must be a mapping of keys to values, but is the text "small"',
  ],
  ["a label without a name", "labels: [{min-ready: 1}]", "1:10: labels[0]: name is missing"],
  [
    "a name with a slash",
    "diskimages: [{name: a/b}]",
    '1:21: diskimages[0].name: must be a name without "/", but is the text "a/b": it becomes part of paths',
  ],
  [
    "an image's name that ZooKeeper does not take",
    "diskimages: [{name: disk😀}]",
    "1:21: diskimages[0].name: has U+1F600, which ZooKeeper takes in no path: leave it out",
  ],
  [
    "a provider's name that ZooKeeper does not take",
    "providers: [{name: cloud😀, driver: fake}]",
    "1:20: providers[0].name: has U+1F600, which ZooKeeper takes in no path: leave it out",
  ],
  ["an empty name", "labels: [{name: ''}]", "1:17: labels[0].name: must not be empty"],
  [
    "one format without a list",
    "diskimages: [{name: a, formats: raw}]",
    '1:33: diskimages[0].formats: must be a list, but is the text "raw"; write it as [VALUE]',
  ],
  [
    "a quoted truth value",
    'diskimages: [{name: a, pause: "false"}]',
    '1:31: diskimages[0].pause: must be true or false, but is the text "false"; remove the quotes',
  ],
  [
    "a list as a variable",
    "diskimages: [{name: a, env-vars: {A: [1]}}]",
    "1:38: diskimages[0].env-vars.A: must be a text, but is a list",
  ],
  [
    "variables as a list",
    "diskimages: [{name: a, env-vars: [A=1]}]",
    "1:34: diskimages[0].env-vars: must be a mapping of names to texts, but is a list",
  ],
  [
    "an unknown parent",
    "diskimages: [{name: base}, {name: a, parent: bsae}]",
    '1:46: diskimages[1].parent: diskimage a has the parent bsae, which is not among the diskimages; did you mean "base"?',
  ],
  [
    "its own parent",
    "diskimages: [{name: a, parent: a}]",
    "1:32: diskimages[0].parent: its parents form a circle: a -> a",
  ],
  [
    "a circle of parents",
    "diskimages: [{name: a, parent: b}, {name: b, parent: a}]",
    "1:32: diskimages[0].parent: its parents form a circle: a -> b -> a\n1:54: diskimages[1].parent: its parents form a circle: b -> a -> b",
  ],
  ["a provider without a name", "providers: [{driver: local}]", "1:13: providers[0]: name is missing"],
  [
    "a label that is not defined",
    label("{name: smal, diskimage: disk}"),
    '7:40: providers[0].pools[0].labels[0].name: label smal is not defined; did you mean "small"?',
  ],
  [
    "a label far from any",
    label("{name: huge-gpu, diskimage: disk}"),
    "7:40: providers[0].pools[0].labels[0].name: label huge-gpu is not defined; add it to the top-level labels",
  ],
  [
    "a label with an unknown image",
    label("{name: small, diskimage: dsik}"),
    '7:58: providers[0].pools[0].labels[0].diskimage: diskimage dsik is not defined; did you mean "disk"?',
  ],
  [
    "an image that is not defined",
    provider("diskimages: [{name: nowhere}]"),
    "6:23: providers[0].diskimages[0].name: diskimage nowhere is not defined; add it to the top-level diskimages",
  ],
  [
    "an abstract image",
    provider("diskimages: [{name: ghost}]"),
    "6:23: providers[0].diskimages[0].name: diskimage ghost is abstract, so it is never built; name one that has it as its parent",
  ],
  [
    "no cores",
    label("{name: small, diskimage: disk, cores: 0}"),
    "7:71: providers[0].pools[0].labels[0].cores: must be a whole number of 1 or more, but is the number 0",
  ],
  [
    "an unknown engine",
    provider("engine: contaner"),
    '6:11: providers[0].engine: must be one of auto, container, sandbox, process, but is the text "contaner"; did you mean "container"?',
  ],
  [
    "an image name of unknown parts",
    provider('image-name-format: "{name}-{timestamp}"'),
    "6:22: providers[0].image-name-format: has {name}; the fields are {image_name}, {upload_id} and {timestamp}",
  ],
  [
    "a format that a name cannot have",
    provider('image-name-format: "{image_name:05d}"'),
    "6:22: providers[0].image-name-format: has {image_name:05d}; the fields are {image_name}, {upload_id} and {timestamp}, with at most a width and a length, as {image_name:<30.20}",
  ],
  [
    "a cloud-image that is not there",
    "labels: [{name: l}]\nproviders: [{name: p, cloud: c, cloud-images: [{name: focal}], pools: [{name: m, labels: [{name: l, min-ram: 1, cloud-image: jammy}]}]}]",
    "2:126: providers[0].pools[0].labels[0].cloud-image: cloud-image jammy does not exist in provider p but is referenced in label l",
  ],
  [
    "a static host without labels",
    "providers: [{name: s, driver: static, pools: [{name: p, nodes: [{name: h}]}]}]",
    "1:65: providers[0].pools[0].nodes[0]: labels is missing",
  ],
  [
    "a secret of an unknown image",
    "diskimages: [{name: disk}]",
    's:1:21: diskimages[0].name: unknown diskimage dsk; did you mean "disk"?',
    "diskimages: [{name: dsk}]",
  ],
  [
    "a tenant without a name",
    "tenant-resource-limits: [{max-cores: 1}]",
    "1:26: tenant-resource-limits[0]: tenant-name is missing",
  ],
];

describe("a wrong file is explained", () => {
  for (const [name, text, message, secure] of invalid) {
    it(name, () => assert.equal(messageOf(text, secure), message));
  }

  it("with all its errors at once, in their order, with the warnings", () => {
    assert.equal(
      messageOf(
        "imagesdir: /x\nlabels: [{name: a, min-ready: b}]\nproviders:\n- {name: p, driver: local, engine: x}\n- pools: 5",
      ),
      [
        '1:1: warning: imagesdir: is not a known key and is ignored; did you mean "images-dir"?',
        '2:31: labels[0].min-ready: must be a whole number (nodes), but is the text "b"',
        '4:36: providers[0].engine: must be one of auto, container, sandbox, process, but is the text "x"',
        "5:3: providers[1]: name is missing",
      ].join("\n"),
    );
  });

  it("without a flood", () => {
    const labels = Array.from({ length: 5000 }, () => "- 1\n").join("");
    const lines = messageOf(`labels:\n${labels}`).split("\n");
    assert.equal(lines.length, 101);
    assert.match(lines.at(-1) ?? "", /and 4900 more problems of this kind$/);
  });
});
