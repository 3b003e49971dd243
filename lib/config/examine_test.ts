import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "./load.ts";
import { formatProblem } from "./types.ts";

function warningsOf(text: string, secureText = ""): string[] {
  const secure = { file: "f", text: secureText };
  const { warnings } = parseConfig(text, "f", { examine: true, secure });
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

/** The same with a cloud image, and keys of its provider and its label. */
const cloudSite = (provider: string, label: string) => `
labels: [{name: small}]
providers:
- {name: p, cloud: c, ${provider}, pools: [{name: main, labels: [{name: small, ${label}}]}]}
`;

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
    "fewer ready nodes than none",
    site({ "min-ready: 2": "min-ready: -3" }),
    "labels[0].min-ready: is -3, which counts as 0; write how many are to be kept",
  ],
  [
    "a pool that is closed to what is to be kept ready",
    site({ "max-servers: 4": "max-servers: 0" }),
    "labels[0].min-ready: asks for 2 nodes, but the pools of label small take 0; raise their max-servers, or lower min-ready",
  ],
  [
    "more ready nodes than a provider that launches nothing has room for",
    site({ "driver: local": "driver: local\n  max-concurrency: 0" }),
    "labels[0].min-ready: asks for 2 nodes, but the pools of label small take 0; raise their max-servers, or lower min-ready",
  ],
  [
    "a ready age in another unit",
    site({ "min-ready: 2": "min-ready: 2, max-ready-age: 59" }),
    "labels[0].max-ready-age: is 59 seconds, which is less than a launch takes; is it minutes?",
  ],
  [
    "a label in no pool whose nodes are to be shared",
    "labels: [{name: whole}, {name: share}]\nproviders: [{name: m, driver: metastatic, pools: [{name: p, labels: [{name: share, backing-label: whole}]}]}]",
    "labels[0].name: label whole is in no pool, so its nodes are to be shared; add it to a pool of a provider, or remove it here",
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
    "a cloud image of no label",
    cloudSite("cloud-images: [{name: i}, {name: old}]", "cloud-image: i, min-ram: 512"),
    "providers[0].cloud-images[1].name: old is used by no label of provider p, so it has no effect; remove it, or name it in a label",
  ],
  [
    "a label's memory in another unit",
    cloudSite("cloud-images: [{name: i}]", "cloud-image: i, min-ram: 127"),
    "providers[0].pools[0].labels[0].min-ram: is 127 MiB, which no machine has; write it in MiB",
  ],
  [
    "the port of WinRM for SSH",
    cloudSite("cloud-images: [{name: i, connection-port: 5985}]", "cloud-image: i, min-ram: 512"),
    "providers[0].cloud-images[0].connection-port: is 5985, but connection-type is ssh; 22 is usual, leave the port out for it",
  ],
  [
    "the port of SSH for a host with WinRM",
    "labels: [{name: a}]\nproviders: [{name: s, driver: static, pools: [{name: p, nodes: [{name: h, labels: a, connection-type: winrm, connection-port: 22}]}]}]",
    "providers[0].pools[0].nodes[0].connection-port: is 22, but connection-type is winrm; 5986 is usual, leave the port out for it",
  ],
  [
    "ZooKeeper's port without TLS for TLS",
    "zookeeper-servers: [{host: a, port: 2181}]\nzookeeper-tls: {cert: c, key: k, ca: a}",
    "zookeeper-servers[0].port: port 2181 is ZooKeeper's without TLS, but there is zookeeper-tls; TLS is usually on 2281",
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
    "a static pool without hosts",
    "providers: [{name: p, driver: static, pools: [{name: m, nodes: []}]}]",
    "providers[0].pools[0]: has no nodes, so it serves nothing; add nodes, or remove it",
  ],
  [
    "a launch that ends before its boot may",
    site({ "driver: local": "driver: local\n  boot-timeout: 900\n  launch-timeout: 60" }),
    "providers[0].launch-timeout: launch-timeout (60 s) ends before boot-timeout (900 s) does; raise launch-timeout",
  ],
  [
    "a boot that may last longer than a launch usually does",
    site({ "driver: local": "driver: local\n  boot-timeout: 900" }),
    "providers[0].boot-timeout: launch-timeout (300 s) ends before boot-timeout (900 s) does; raise launch-timeout",
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
    "formats that a child keeps anyway",
    site({
      "{name: disk}]\nproviders":
        "{name: a, abstract: true, delete-after-upload: false}, {name: disk, parent: a, keep-formats: [raw]}]\nproviders",
    }),
    "diskimages[1].keep-formats: has no effect without delete-after-upload: true; add it, or remove this",
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
];

/** Just within what can be meant. */
const plausible: readonly [string, string][] = [
  ["as many ready nodes as there is room for", site({ "max-servers: 4": "max-servers: 2" })],
  ["no limit on the pool", site({ ", max-servers: 4": "" })],
  [
    "a pool that is closed, with nothing to keep ready",
    site({ "min-ready: 2": "min-ready: 0", "max-servers: 4": "max-servers: -1" }),
  ],
  ["ready nodes of a minute", site({ "min-ready: 2": "min-ready: 2, max-ready-age: 60" })],
  ["ready nodes of any age", site({ "min-ready: 2": "min-ready: 2, max-ready-age: 0" })],
  [
    "builds every ten minutes",
    site({ "{name: disk}]\nproviders": "{name: disk, rebuild-age: 600}]\nproviders" }),
  ],
  [
    "builds as often as usual",
    site({ "{name: disk}]\nproviders": "{name: disk, rebuild-age: 0}]\nproviders" }),
  ],
  [
    "formats that are kept while others are deleted",
    site({
      "{name: disk}]\nproviders": "{name: disk, keep-formats: [raw], delete-after-upload: true}]\nproviders",
    }),
  ],
  ["no formats to keep", site({ "{name: disk}]\nproviders": "{name: disk, keep-formats: []}]\nproviders" })],
  [
    "a parent of images, abstract or not, that no provider has",
    site({
      "{name: disk}]\nproviders":
        "{name: a, abstract: true}, {name: b, parent: a}, {name: disk, parent: b}]\nproviders",
    }),
  ],
  ...[
    ["keep-formats: [raw]", "delete-after-upload: true"],
    ["delete-after-upload: true", "keep-formats: [raw]"],
  ].map(([ofParent, ofChild]): [string, string] => [
    `${ofParent} of a parent whose child has ${ofChild}`,
    site({
      "{name: disk}]\nproviders": `{name: a, abstract: true, ${ofParent}}, {name: disk, parent: a, ${ofChild}}]\nproviders`,
    }),
  ]),
  [
    "a small container",
    "labels: [{name: a}]\nproviders: [{name: k, driver: kubernetes, context: c, pools: [{name: m, labels: [{name: a, type: pod, image: i, memory: 64}]}]}]",
  ],
  [
    "a launch that ends with its boot",
    site({ "driver: local": "driver: local\n  boot-timeout: 90\n  launch-timeout: 90" }),
  ],
  ["a small machine", site({ "max-servers: 4": "max-servers: 4, max-ram: 128" })],
  ["a pool closed by its memory", site({ "min-ready: 2": "min-ready: 0", "max-servers: 4": "max-ram: 0" })],
  ...["ssh, connection-port: 22", "winrm, connection-port: 5985", "network_cli, connection-port: 5986"].map(
    (door): [string, string] => [
      `a door of ${door}`,
      site({ "{name: disk}]\n  pools": `{name: disk, connection-type: ${door}}]\n  pools` }),
    ],
  ),
  [
    "more ready nodes of two labels than one pool has, when another serves one of them",
    `labels: [{name: a, min-ready: 2}, {name: b, min-ready: 2}, {name: c, min-ready: -1}]
diskimages: [{name: d}]
providers:
- name: p
  driver: local
  diskimages: [{name: d}]
  pools:
  - {name: m, max-servers: 3, labels: [{name: a, diskimage: d}, {name: b, diskimage: d}, {name: c, diskimage: d}]}
  - {name: n, max-servers: 1, labels: [{name: b, diskimage: d}]}`,
  ],
  ["ZooKeeper's port with TLS", "zookeeper-servers: [{host: a}]\nzookeeper-tls: {cert: c, key: k, ca: a}"],
  ["ZooKeeper's port without TLS", "zookeeper-servers: [{host: a, port: 2181}]"],
];

describe("what cannot be meant is warned of", () => {
  it("and a good site is not", () => assert.deepEqual(warningsOf(site()), []));

  for (const [name, text, warning] of doubtful) {
    it(name, () => assert.equal(warningsOf(text)[0], warning));
  }

  for (const [name, text] of plausible) {
    it(`but not ${name}`, () => assert.deepEqual(warningsOf(text), []));
  }

  it("the ports of the servers that count: those of the secure file, where it has some", () => {
    const withoutTls = "zookeeper-servers: [{host: a, port: 2181}]";
    const tls = "zookeeper-tls: {cert: c, key: k, ca: a}";
    assert.deepEqual(warningsOf(withoutTls, `zookeeper-servers: [{host: b}]\n${tls}`), []);
    const [warning] = warningsOf("zookeeper-servers: [{host: b}]", `${withoutTls}\n${tls}`);
    assert.match(warning ?? "", /^zookeeper-servers\[0\]\.port: port 2181 is ZooKeeper's without TLS/);
  });

  it("the sum of what one pool is to keep ready", () => {
    const keeping = (room: number) => `labels: [{name: a, min-ready: 2}, {name: b, min-ready: 2}]
diskimages: [{name: d}]
providers:
- {name: p, driver: local, diskimages: [{name: d}], pools: [{name: m, max-servers: ${room}, labels: [{name: a, diskimage: d}, {name: b, diskimage: d}]}]}`;
    assert.deepEqual(warningsOf(keeping(4)), []);
    assert.deepEqual(warningsOf(keeping(3)), [
      "providers[0].pools[0].max-servers: is 3, but the labels that only this pool serves have a min-ready of 4 together; raise it, or lower theirs",
    ]);
  });
});
