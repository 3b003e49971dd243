import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hasDriver } from "../provider/registry.ts";
import { cloudImageOf } from "./cloud_images.ts";
import { DRIVER_NAMES, SERVED_DRIVERS } from "./drivers.ts";
import { parseConfig } from "./load.ts";
import { ConfigError, type ConfigProblem } from "./types.ts";

const TOP = "labels: [{name: small}]\ndiskimages: [{name: disk}, {name: base, abstract: true}]\nproviders:\n";
const read = (provider: string) => parseConfig(`${TOP}- {name: p, ${provider}}`, "f");
const first = (provider: string) => {
  const [found] = read(provider).providers;
  assert.ok(found !== undefined);
  return found;
};

/** What is said of a provider: where in it, and what. */
function saidOf(provider: string): string[] {
  const tell = (problems: readonly ConfigProblem[]) =>
    problems.map(({ path, message }) => `${path.replace("providers[0].", "")}: ${message}`);
  try {
    return tell(read(provider).warnings);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return tell(error.problems);
  }
}

describe("an image of a provider", () => {
  it("has the port that it names, or that of its kind of connection", () => {
    const portOf = (keys: string) =>
      first(`driver: local, diskimages: [{name: disk${keys}}]`).diskimages[0]?.connectionPort;
    assert.deepEqual(
      ["", ", connection-type: winrm", ", connection-type: network_cli"].map(portOf),
      [22, 5986, 22],
    );
    assert.equal(portOf(", connection-type: winrm, connection-port: 5985"), 5985);
  });

  it("is one that is built", () => {
    const listed = (name: string) => saidOf(`driver: local, diskimages: [{name: ${name}}]`);
    assert.deepEqual(listed("disc"), [
      'diskimages[0].name: diskimage disc is not defined; did you mean "disk"?',
    ]);
    assert.deepEqual(listed("base"), [
      "diskimages[0].name: diskimage base is abstract, so it is never built; name one that has it as its parent",
    ]);
  });
});

describe("a label of a pool", () => {
  const cloud = (label: string) =>
    `cloud: c, cloud-images: [{name: debian}], pools: [{name: m, labels: [{name: small, min-ram: 512, ${label}}]}]`;

  it("names its cloud image, or its diskimage", () => {
    const imagesOf = (keys: string) => {
      const [label] = first(cloud(keys)).pools[0]?.labels ?? [];
      return [label?.cloudImage, label?.diskimage];
    };
    assert.deepEqual(imagesOf("cloud-image: debian"), ["debian", null]);
    assert.deepEqual(imagesOf("diskimage: disk"), [null, "disk"]);
  });

  it("names one that is there", () => {
    const place = "pools[0].labels[0]";
    const image = (name: string) => saidOf(cloud(`diskimage: ${name}`));
    assert.deepEqual(image("base"), [
      `${place}.diskimage: diskimage base is abstract, so it is never built; name one that has it as its parent`,
    ]);
    assert.deepEqual(image("lost"), [
      `${place}.diskimage: diskimage lost is not defined; add it to the top-level diskimages`,
    ]);
    assert.deepEqual(saidOf(cloud("cloud-image: debain")), [
      `${place}.cloud-image: cloud-image debain does not exist in provider p but is referenced in label small; did you mean "debian"?`,
    ]);
  });

  it("is launched from its diskimage when it names a cloud image as well, which is warned of", () => {
    const both = `diskimages: [{name: disk}], ${cloud("cloud-image: debian, diskimage: disk")}`;
    const [label] = first(both).pools[0]?.labels ?? [];
    assert.deepEqual([label?.diskimage, label?.cloudImage], ["disk", null]);
    assert.deepEqual(saidOf(both), [
      "pools[0].labels[0]: names both a diskimage and a cloud-image; the diskimage counts, remove the cloud-image",
    ]);
  });

  it("is not served without an image, which is warned of", () => {
    const remedies = { "cloud: c": "a diskimage or a cloud-image", "driver: local": "a diskimage" };
    for (const [driver, remedy] of Object.entries(remedies)) {
      const alone = `${driver}, pools: [{name: m, labels: [{name: small, flavor-name: f}]}]`;
      const said = `pools[0].labels[0]: names no image, so this pool does not serve label small; name ${remedy}`;
      assert.ok(saidOf(alone).includes(said), saidOf(alone).join("\n"));
      assert.deepEqual(first(alone).pools[0]?.labels, []);
    }
  });

  it("has of several images with one name the last, which is warned of", () => {
    const twice = "cloud: c, cloud-images: [{name: i, username: a}, {name: i, username: b}], ";
    assert.deepEqual(
      saidOf(`${twice}pools: [{name: m, labels: [{name: small, min-ram: 1, cloud-image: i}]}]`),
      ["cloud-images[1].name: cloud-image i already defined above; this one counts, remove the other"],
    );
    assert.equal(cloudImageOf(first(`${twice}`), "i").username, "b");
  });

  it("of a driver that nobody knows may have an image that is not uploaded", () => {
    const [unknown, ...more] = saidOf(
      "driver: x, pools: [{name: m, labels: [{name: small, diskimage: disk}]}]",
    );
    assert.match(unknown ?? "", /^driver: "x" is not a known driver; known: local, openstack, aws/);
    assert.deepEqual(more, []);
  });
});

describe("the limits of a pool", () => {
  const label = "labels: [{name: small, type: pod, image: i}]";
  const limitsOf = (provider: string, pool = "") => {
    const [found] = first(`context: c, ${provider}, pools: [{name: m, ${label}${pool}}]`).pools;
    return [found?.maxServers, found?.maxCores, found?.maxRam];
  };

  it("are its own, or those of a provider that hands them down, of which max-projects goes before max-servers", () => {
    const keys = "max-servers: 1, max-cores: 2, max-ram: 3";
    assert.deepEqual(limitsOf(`driver: openshift, ${keys}`), [1, 2, 3]);
    assert.deepEqual(limitsOf(`driver: openshift, ${keys}, max-projects: 9`), [9, 2, 3]);
    assert.deepEqual(
      limitsOf(`driver: openshift, ${keys}, max-projects: 9`, ", max-servers: 0, max-ram: 5"),
      [0, 2, 5],
    );
    assert.deepEqual(limitsOf("driver: openshift"), [Infinity, Infinity, Infinity]);
    assert.deepEqual(limitsOf(`driver: kubernetes, ${keys}`), [Infinity, Infinity, Infinity]);
  });
});

describe("the labels of a static pool", () => {
  const pool = (nodes: string) => `driver: static, pools: [{name: m, nodes: [${nodes}]}]`;

  it("are those of its hosts, with nothing of an image", () => {
    const [label, ...more] =
      first(pool("{name: h, labels: small, host-key-checking: false}")).pools[0]?.labels ?? [];
    assert.deepEqual(label, {
      name: "small",
      diskimage: null,
      cloudImage: null,
      hostKeyChecking: false,
      consoleLog: false,
      settings: {},
    });
    assert.deepEqual(more, []);
  });

  it("are defined at the top", () => {
    assert.deepEqual(saidOf(pool("{name: h, labels: [smal]}")), [
      'pools[0].nodes[0].labels[0]: label smal is not defined; did you mean "small"?',
    ]);
  });

  it("are none of an entry that has nothing", () => {
    const hosts = pool("{name: h, labels: [~, small]}, ~");
    assert.deepEqual(
      first(hosts).pools[0]?.labels.map(({ name }) => name),
      ["small"],
    );
    const empty = "has no value, so it is left out; remove it, or give it one";
    assert.deepEqual(saidOf(hosts), [`pools[0].nodes[0].labels[0]: ${empty}`, `pools[0].nodes[1]: ${empty}`]);
  });

  it("are none without hosts", () => {
    assert.deepEqual(first("driver: static, pools: [{name: m}]").pools[0]?.labels, []);
  });
});

describe("the keys of a driver that nobody knows", () => {
  it("are handed on as they stand, of the provider, of its pools and of their labels", () => {
    const found = first("driver: x, a: 1, pools: [{name: m, b: [2], labels: [{name: small, c: {d: 3}}]}]");
    const [pool] = found.pools;
    assert.deepEqual([found.settings.a, pool?.settings.b, pool?.labels[0]?.settings.c], [1, [2], { d: 3 }]);
  });
});

describe("what is handed on to a cloud or written down", () => {
  it("may be more than a text, and a variable of the environment may not", () => {
    const text = (keys: string) => `labels: [{name: small}]
diskimages: [{name: disk, ${keys}}]
providers:
- name: p
  cloud: c
  diskimages: [{name: disk, meta: {tags: [a]}}]
  pools:
  - name: m
    labels: [{name: small, diskimage: disk, min-ram: 1, instance-properties: {b: [c]}, dynamic-instance-properties: {d: [e]}}]`;
    const { diskimages, providers } = parseConfig(text("metadata: {f: {g: h}}"), "f");
    const [provider] = providers;
    const own = provider?.pools[0]?.labels[0]?.settings ?? {};
    assert.deepEqual(
      [diskimages.get("disk")?.metadata, provider?.diskimages[0]?.meta],
      [{ f: '{"g":"h"}' }, { tags: '["a"]' }],
    );
    assert.deepEqual(
      [own["instance-properties"], own["dynamic-instance-properties"]],
      [{ b: '["c"]' }, { d: '["e"]' }],
    );
    assert.throws(
      () => parseConfig(text("env-vars: {A: [b]}"), "f"),
      /env-vars\.A: must be a text, but is a list/,
    );
  });
});

describe("a key that is told to be ignored", () => {
  it("reaches no driver that has written down its keys: not of the provider, its images, pools and labels", () => {
    const label = "{name: small, diskimage: disk, min-ram: 0}";
    const pool = `{name: m, max-resources: {instances: 1}, labels: [${label}]}`;
    const provider = `driver: local, rate: 2, diskimages: [{name: disk, config-drive: true}], pools: [${pool}]`;
    const ignored = saidOf(provider).filter((each) => each.includes("is not a known key and is ignored"));
    assert.equal(ignored.length, 4);
    const found = first(provider);
    const [served] = found.pools;
    const { rate, diskimages } = found.settings;
    assert.deepEqual(
      [rate, diskimages, served?.settings, served?.labels[0]?.settings],
      [undefined, [{ name: "disk" }], {}, {}],
    );
  });
});

describe("a provider of a driver that is not served", () => {
  const broken =
    "driver: aws, rate: often, diskimages: [{name: disc}, {pause: true}], pools: [{name: m, labels: [{}]}]";

  it("stops nobody, whatever is wrong with it: it is warned of, and keeps what can be used", () => {
    const text = `${TOP}- {name: p, ${broken}}\n- {name: q, driver: static, pools: [{name: m, nodes: [{name: h, labels: small}]}]}`;
    const { providers, warnings } = parseConfig(text, "f");
    assert.deepEqual(
      providers.map(({ name, diskimages, pools }) => [
        name,
        diskimages.map((image) => image.name),
        pools.map(({ labels }) => labels.length),
      ]),
      [
        ["p", ["disc"], [0]],
        ["q", [], [1]],
      ],
    );
    assert.deepEqual(
      warnings.map(({ path, message }) => `${path}: ${message}`),
      [
        "providers[0]: region-name is missing",
        'providers[0].rate: must be a number of 0 or more, but is the text "often"',
        'providers[0].diskimages[0].name: diskimage disc is not defined; did you mean "disk"?',
        "providers[0].diskimages[1]: name is missing",
        "providers[0].pools[0].labels[0]: name is missing",
        "providers[0].pools[0].labels[0]: key-name is missing",
        "providers[0].pools[0].labels[0]: must have exactly one of cloud-image, diskimage, but none is there",
        "providers[0].pools[0].labels[0]: must have exactly one of instance-type, fleet, but none is there",
      ],
    );
  });

  it("is refused all the same when it has no name, or is of a driver that is served", () => {
    assert.throws(() => parseConfig(`${TOP}- {${broken}}`, "f"), /name is missing/);
    assert.throws(() => read(broken.replace("aws", "local")), /disc is not defined/);
  });

  it("is one that lib/provider does not open", () => {
    assert.deepEqual([...SERVED_DRIVERS].sort(), DRIVER_NAMES.filter(hasDriver).sort());
  });
});
