import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "./load.ts";
import { formatProblem } from "./types.ts";

function warningsOf(text: string): string[] {
  const { warnings } = parseConfig(text, "f", { examine: true });
  return warnings.map((warning) => formatProblem(warning).replace(/^f:\d+:\d+: warning: /, ""));
}

/** A site that nothing can be said against, with changes. */
function site(changes: Readonly<Record<string, string>> = {}): string {
  let text = `
labels: [{name: small, min-ready: 2}]
diskimages: [{name: disk}]
providers:
- name: p
  driver: local
  diskimages: [{name: disk}]
  pools:
  - {name: main, max-servers: 4, labels: [{name: small, diskimage: disk}]}
`;
  for (const [from, to] of Object.entries(changes)) {
    assert.ok(text.includes(from), from);
    text = text.replace(from, to);
  }
  return text;
}

const doubtful: readonly [string, string, string][] = [
  [
    "a label in no pool",
    site({ "labels: [{name: small": "labels: [{name: other}, {name: small" }),
    "labels[0].name: label other is in no pool, so requests for it fail; add it to a pool of a provider, or remove it here",
  ],
  [
    "more ready nodes than there is room for",
    site({ "max-servers: 4": "max-servers: 1" }),
    "labels[0].min-ready: asks for 2 nodes, but the pools of label small take 1; raise their max-servers, or lower min-ready",
  ],
  [
    "a pool that is closed to what is to be kept ready",
    site({ "max-servers: 4": "max-servers: 0" }),
    "labels[0].min-ready: asks for 2 nodes, but the pools of label small take 0; raise their max-servers, or lower min-ready",
  ],
  [
    "an image in no provider",
    site({ "diskimages: [{name: disk}]\nproviders": "diskimages: [{name: disk}, {name: lost}]\nproviders" }),
    "diskimages[1].name: diskimage lost is in no provider's diskimages, so it is never built; list it there, or remove it",
  ],
  [
    "an image that is built for nobody",
    site({
      "diskimages: [{name: disk}]\nproviders":
        "diskimages: [{name: disk}, {name: lost, formats: [raw]}]\nproviders",
    }),
    "diskimages[1].name: diskimage lost is in no provider's diskimages, so it is built for nobody; list it there, or remove it",
  ],
  [
    "an abstract image without children",
    site({
      "diskimages: [{name: disk}]\nproviders":
        "diskimages: [{name: disk}, {name: base, abstract: true}]\nproviders",
    }),
    "diskimages[1].name: diskimage base is abstract and no other has it as its parent; remove it",
  ],
  [
    "an image that is uploaded for nobody",
    `labels: [{name: a}]
diskimages: [{name: one}, {name: two}]
providers:
- {name: p, driver: local, diskimages: [{name: one}, {name: two}], pools: [{name: m, labels: [{name: a, diskimage: one}]}]}`,
    "providers[0].diskimages[1].name: two is used by no label of provider p, but is uploaded there; remove it, or name it in a label",
  ],
  [
    "a provider without pools",
    "providers: [{name: p, driver: local}]",
    "providers[0].name: provider p has no pools, so no node runs there; add pools, or remove it",
  ],
  [
    "a pool without labels",
    "providers: [{name: p, driver: local, pools: [{name: m}]}]",
    "providers[0].pools[0]: has no labels, so it serves nothing; add labels, or remove it",
  ],
  [
    "a launch that ends before its boot may",
    site({ "driver: local": "driver: local\n  boot-timeout: 900\n  launch-timeout: 60" }),
    "providers[0].launch-timeout: launch-timeout (60 s) ends before boot-timeout (900 s) does; raise launch-timeout",
  ],
  [
    "memory in another unit",
    site({ "max-servers: 4": "max-servers: 4, max-ram: 64" }),
    "providers[0].pools[0].max-ram: is 64 MiB, which no machine has; write it in MiB",
  ],
  [
    "an age in another unit",
    site({ "{name: disk}]\nproviders": "{name: disk, rebuild-age: 24}]\nproviders" }),
    "diskimages[0].rebuild-age: is 24 seconds: the image is built all the time; is it minutes or hours?",
  ],
  [
    "formats that are kept anyway",
    site({ "{name: disk}]\nproviders": "{name: disk, keep-formats: [raw]}]\nproviders" }),
    "diskimages[0].keep-formats: has no effect without delete-after-upload: true; add it, or remove this",
  ],
  [
    "the port of another protocol",
    site({ "{name: disk}]\n  pools": "{name: disk, connection-type: winrm, connection-port: 22}]\n  pools" }),
    "providers[0].diskimages[0].connection-port: is 22, but connection-type is winrm; 5986 is usual, leave the port out for it",
  ],
  [
    "ZooKeeper's port for TLS without TLS",
    "zookeeper-servers: [{host: a}]",
    "zookeeper-servers[0]: port 2281 is ZooKeeper's for TLS, but there is no zookeeper-tls; add it, or write port: 2181",
  ],
  [
    "one host twice",
    "labels: [{name: a}]\nproviders: [{name: s, driver: static, pools: [{name: p, nodes: [{name: h, labels: a}, {name: h, labels: [a], ssh-port: 22}]}]}]",
    "providers[0].pools[0].nodes[1].name: zuul@h:22 is already at providers[0].pools[0].nodes[0]; a host is known by name, username and connection-port: change one, or use max-parallel-jobs",
  ],
  [
    "a backing label that nobody defines",
    "labels: [{name: share}]\nproviders: [{name: m, driver: metastatic, pools: [{name: p, labels: [{name: share, backing-label: shar}]}]}]",
    'providers[0].pools[0].labels[0].backing-label: label shar is not defined; did you mean "share"?',
  ],
  [
    "a label that stands on itself",
    "labels: [{name: a}]\nproviders: [{name: m, driver: metastatic, pools: [{name: p, labels: [{name: a, backing-label: a}]}]}]",
    "providers[0].pools[0].labels[0].backing-label: leads from label a back to itself, so no node can ever be launched; name another label",
  ],
  [
    "labels that stand on each other",
    "labels: [{name: a}, {name: b}]\nproviders: [{name: m, driver: metastatic, pools: [{name: p, labels: [{name: a, backing-label: b}, {name: b, backing-label: a}]}]}]",
    "providers[0].pools[0].labels[0].backing-label: leads from label a back to itself, so no node can ever be launched; name another label",
  ],
];

describe("what cannot be meant is warned of", () => {
  it("and a good site is not", () => assert.deepEqual(warningsOf(site()), []));

  for (const [name, text, warning] of doubtful) {
    it(name, () => assert.equal(warningsOf(text)[0], warning));
  }

  it("the sum of what one pool is to keep ready", () => {
    const text = `labels: [{name: a, min-ready: 2}, {name: b, min-ready: 2}]
diskimages: [{name: d}]
providers:
- {name: p, driver: local, diskimages: [{name: d}], pools: [{name: m, max-servers: 3, labels: [{name: a, diskimage: d}, {name: b, diskimage: d}]}]}`;
    assert.deepEqual(warningsOf(text), [
      "providers[0].pools[0].max-servers: is 3, but the labels that only this pool serves have a min-ready of 4 together; raise it, or lower theirs",
    ]);
  });

  it("but not metastatic labels on those of another driver", () => {
    const text = `labels: [{name: share}, {name: whole}]
providers:
- {name: s, driver: static, pools: [{name: p, nodes: [{name: h, labels: whole}]}]}
- {name: m, driver: metastatic, pools: [{name: p, labels: [{name: share, backing-label: whole}]}]}`;
    assert.deepEqual(warningsOf(text), []);
  });
});
