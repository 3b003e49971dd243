import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { parseConfig, readConfig } from "./load.ts";
import { requireImagesDir, requireZooKeeper } from "./require.ts";
import { type Config, formatProblem } from "./types.ts";

const parse = (text: string, options: Parameters<typeof parseConfig>[2] = {}) =>
  parseConfig(text, "/etc/nodepool/nodepool.yaml", options);
const warningsOf = (text: string, options: Parameters<typeof parseConfig>[2] = {}) =>
  parse(text, options).warnings.map((warning) =>
    formatProblem(warning).replace("/etc/nodepool/nodepool.yaml:", ""),
  );

/** One label, one image, one provider, with room for more. */
const base = (provider = "", top = "") => `
labels: [{name: small}]
diskimages: [{name: disk, formats: [raw]}]
providers:
  - name: cloud
    driver: local
${provider}
${top}`;
const local = (keys: string) => base(keys.replaceAll(/^/gm, "    "));
describe("ZooKeeper's part", () => {
  it("is null without servers, and has the documented defaults with one", () => {
    assert.equal(parse("zookeeper-servers: []").zookeeper, null);
    assert.deepEqual(parse("zookeeper-servers: [{host: a}]").zookeeper, {
      servers: [{ host: "a", port: 2281, chroot: "" }],
      tls: null,
      timeout: 10,
    });
  });

  it("takes whole and broken seconds, TLS files and a chroot at the last server for all", () => {
    const { zookeeper } = parse(
      `zookeeper-servers: [{host: "[::1]", port: 2181}, {host: b, chroot: /np/}]
zookeeper-tls: {cert: c, key: k, ca: a}
zookeeper-timeout: 5.5`,
    );
    assert.deepEqual(zookeeper, {
      servers: [
        { host: "::1", port: 2181, chroot: "/np" },
        { host: "b", port: 2281, chroot: "/np" },
      ],
      tls: { cert: "c", key: "k", ca: "a" },
      timeout: 5.5,
    });
    assert.equal(parse("zookeeper-servers: [{host: a}]\nzookeeper-timeout: 10").zookeeper?.timeout, 10);
  });

  it("takes the TLS files of the secure file instead of the other's, unless it names none", () => {
    const tlsOf = (main: string, secret: string) =>
      parse(`zookeeper-servers: [{host: a}]\n${main}`, { secure: { text: secret, file: "s" } }).zookeeper
        ?.tls;
    const [first, second] = ["{cert: c, key: k, ca: a}", "{cert: x, key: y, ca: z}"].map(
      (files) => `zookeeper-tls: ${files}`,
    ) as [string, string];
    const [one, two] = [
      { cert: "c", key: "k", ca: "a" },
      { cert: "x", key: "y", ca: "z" },
    ];
    assert.deepEqual(tlsOf(first, second), two);
    assert.deepEqual([tlsOf(first, ""), tlsOf(first, "zookeeper-tls: {}")], [one, one]);
    assert.deepEqual(tlsOf("zookeeper-tls: {ca: a}", second), two);
    assert.deepEqual(tlsOf("zookeeper-tls: {}", "zookeeper-tls: {cert: }"), null);
    assert.throws(
      () => tlsOf(first, "zookeeper-tls: {cert: x}"),
      /^ConfigError: s:1:16: zookeeper-tls: key is missing\ns:1:16: zookeeper-tls: ca is missing$/,
    );
  });

  it("takes a chroot of several parts, with any slashes at its end, and none from a slash alone", () => {
    const chrootOf = (chroot: string) =>
      parse(`zookeeper-servers: [{host: a, chroot: ${chroot}}]`).zookeeper?.servers[0]?.chroot;
    assert.deepEqual([chrootOf("/a/b//"), chrootOf("/"), chrootOf("''")], ["/a/b", "", ""]);
  });

  it("takes the same chroot at each server, with a word on Python Nodepool", () => {
    const text = "zookeeper-servers: [{host: a, chroot: /n}, {host: b, chroot: /n}]";
    assert.deepEqual(
      parse(text).zookeeper?.servers.map(({ chroot }) => chroot),
      ["/n", "/n"],
    );
    assert.match(warningsOf(text)[0] ?? "", /chroot: Python Nodepool misreads a chroot at several servers/);
  });
});

describe("the secure file", () => {
  it("has the certificates, instead of the other file's", () => {
    const tlsOf = (text: string) =>
      parse("zookeeper-servers: [{host: a}]\nzookeeper-tls: {cert: c, key: k, ca: a}", {
        secure: { file: "/s", text },
      }).zookeeper?.tls;
    assert.deepEqual(tlsOf("zookeeper-tls: {cert: x, key: y, ca: z}"), { cert: "x", key: "y", ca: "z" });
    assert.deepEqual(tlsOf(""), { cert: "c", key: "k", ca: "a" });
  });
});

describe("reading a file", () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-load-"));
  after(() => rmSync(folder, { recursive: true }));
  const messagesOf = async (text: string) => {
    const file = join(folder, "nodepool.yaml");
    writeFileSync(file, text);
    const { config, problems } = await readConfig(file);
    return [config !== null, ...problems.map(({ severity, path }) => `${severity} ${path}`)];
  };

  it("tells as well what cannot be meant", async () => {
    assert.deepEqual(await messagesOf("labels: [{name: a}]"), [true, "warning labels[0].name"]);
    assert.deepEqual(parse("labels: [{name: a}]").warnings, []);
  });

  it("tells of an unusable one what is wrong, and not what is missing because of it", async () => {
    assert.deepEqual(await messagesOf("labels: [{name: a}, {}]"), [false, "error labels[1]"]);
  });
});

describe("an OpenStack provider's image format", () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-clouds-"));
  after(() => rmSync(folder, { recursive: true }));
  const env = { OS_CLIENT_CONFIG_FILE: join(folder, "clouds.yaml") };
  const auth = "auth: {auth_url: 'https://k', username: u, password: p, project_name: x}";
  writeFileSync(
    env.OS_CLIENT_CONFIG_FILE,
    `clouds: {c: {${auth}, regions: [one, {name: two, values: {image_format: raw}}]}}`,
  );
  const readingOf = async (provider: string) => {
    const file = join(folder, "nodepool.yaml");
    const keys = `name: p, driver: openstack, ${provider}, pools: [{name: m, max-servers: -1, labels: []}]`;
    writeFileSync(file, `diskimages: [{name: disk}]\nproviders: [{${keys}}]`);
    const { config, problems } = await readConfig(file, { env });
    return { config, said: problems.filter(({ message }) => message.includes("image_format")) };
  };

  it("is that of its cloud and region, and its images are built in it", async () => {
    const { config } = await readingOf("cloud: c, region-name: two, diskimages: [{name: disk}]");
    assert.equal(config?.providers[0]?.imageFormat, "raw");
    assert.deepEqual(config?.diskimages.get("disk")?.formats, ["raw"]);
  });

  it("is qcow2 where the cloud names none", async () => {
    const { config, said } = await readingOf("cloud: c, region-name: one, diskimages: [{name: disk}]");
    assert.deepEqual([config?.providers[0]?.imageFormat, said], ["qcow2", []]);
  });

  it("is qcow2 with a warning where the cloud cannot be found", async () => {
    const { config, said } = await readingOf("cloud: d, diskimages: [{name: disk}]");
    assert.equal(config?.providers[0]?.imageFormat, "qcow2");
    assert.deepEqual(
      said.map(({ severity, path }) => `${severity} ${path}`),
      ["warning providers[0].cloud"],
    );
    assert.match(said[0]?.message ?? "", /so qcow2 is taken: cloud 'd' was not found/);
  });

  it("is nobody's concern where no image is uploaded", async () => {
    assert.deepEqual((await readingOf("cloud: d")).said, []);
  });
});

describe("a provider", () => {
  it("of the local driver has what a container host needs", () => {
    const text = local(`
diskimages: [{name: disk, pause: true, connection-type: winrm, meta: {k: 5}}]
pools: [{name: main, labels: [{name: small, diskimage: disk, cores: 2, ram: 512, console-log: true}]}]`);
    const [cloud] = parse(text).providers;
    assert.deepEqual([cloud?.imageFormat, cloud?.managesImages], ["tar", true]);
    assert.deepEqual(cloud?.diskimages, [
      { name: "disk", pause: true, connectionType: "winrm", connectionPort: 5986, meta: { k: "5" } },
    ]);
    assert.deepEqual(cloud?.pools[0]?.labels, [
      {
        name: "small",
        diskimage: "disk",
        cloudImage: null,
        hostKeyChecking: true,
        consoleLog: true,
        settings: { cores: 2, ram: 512 },
      },
    ]);
  });

  it("hands priority and host-key-checking down from provider to pool to label", () => {
    const text = `
labels: [{name: a}, {name: b}]
providers:
  - name: p
    driver: aws
    region-name: r
    priority: 5
    host-key-checking: false
    max-servers: 4
    pools:
      - {name: one, labels: [{name: a, key-name: k}]}
      - {name: two, priority: 6, max-servers: 2, host-key-checking: true, labels: [{name: a, key-name: k}, {name: b, key-name: k, host-key-checking: false}]}
`;
    const pools = parse(text).providers[0]?.pools ?? [];
    assert.deepEqual(
      pools.map(({ priority, maxServers }) => [priority, maxServers]),
      [
        [5, 4],
        [6, 2],
      ],
    );
    assert.deepEqual(
      pools.flatMap(({ labels }) => labels.map(({ hostKeyChecking }) => hostKeyChecking)),
      [false, true, false],
    );
  });

  it("of a driver that is not served loads with all its own keys", () => {
    const text = `
labels: [{name: pod}, {name: host}, {name: both}, {name: meta}]
providers:
  - {name: k, driver: kubernetes, context: c, max-servers: 3, pools: [{name: p, labels: [{name: pod, type: pod, image: i, gpu: 0.5}]}]}
  - {name: s, driver: static, pools: [{name: p, nodes: [{name: h, labels: host both, username: u}, {name: i, labels: [both], host-key-checking: false}]}]}
  - {name: m, driver: metastatic, pools: [{name: p, labels: [{name: meta, backing-label: host}]}]}
`;
    const { providers, warnings } = parse(text);
    assert.deepEqual(warnings, []);
    assert.equal(providers[0]?.pools[0]?.maxServers, Infinity);
    assert.equal(providers[0]?.pools[0]?.labels[0]?.settings.gpu, 0.5);
    assert.deepEqual(
      providers[1]?.pools[0]?.labels.map(({ name }) => name),
      ["host", "both"],
    );
    assert.deepEqual(
      providers.map(({ bootTimeout }) => bootTimeout),
      [60, 60, 120],
    );
    assert.equal(providers[2]?.pools[0]?.labels[0]?.hostKeyChecking, false);
  });

  it("of a driver that nobody knows loads with a warning", () => {
    const text =
      "labels: [{name: a}]\nproviders: [{name: x, driver: opnstack, foo: 1, pools: [{name: p, bar: 2, labels: [{name: a, z: 3}]}]}]";
    assert.deepEqual(warningsOf(text), [
      '2:31: warning: providers[0].driver: "opnstack" is not a known driver; did you mean "openstack"?',
    ]);
    assert.deepEqual(
      parse(text).providers[0]?.pools[0]?.labels.map(({ settings }) => settings.z),
      [3],
    );
  });
});

describe("the configuration", () => {
  it("cannot be changed", () => {
    const config = parse(base("    pools: [{name: p, labels: [{name: small, diskimage: disk}]}]"));
    const writable = config as unknown as {
      imagesDir: string;
      labels: Map<string, unknown>;
      providers: unknown[];
    };
    assert.throws(() => {
      writable.imagesDir = "/x";
    }, TypeError);
    assert.throws(() => writable.labels.set("x", {}), TypeError);
    assert.throws(() => writable.labels.clear(), TypeError);
    assert.throws(() => writable.providers.push({}), TypeError);
    assert.ok(Object.isFrozen(config.providers[0]?.pools[0]?.labels[0]?.settings));
    assert.ok(Object.isFrozen(config.diskimages.get("disk")));
  });

  it("has a hash of all that was read", () => {
    const hashOf = (config: Config) => config.hash;
    assert.equal(hashOf(parse("labels: []")), hashOf(parse("labels: []")));
    assert.notEqual(hashOf(parse("labels: []")), hashOf(parse("labels: [] ")));
    assert.notEqual(hashOf(parse("")), hashOf(parse("", { secure: { file: "/s", text: "#" } })));
  });

  it("says what a daemon cannot do without", () => {
    const config = parse("");
    assert.throws(
      () => requireZooKeeper(config),
      /^ConfigError: \S+: zookeeper-servers: No ZooKeeper servers specified in config\./,
    );
    assert.throws(() => requireImagesDir(config), /images-dir: No images-dir specified in config\./);
    assert.equal(requireImagesDir(parse("images-dir: /i")), "/i");
  });
});

describe("a driver's own keys", () => {
  it("reach it checked, with their defaults", () => {
    const [first] = parse(`
labels: [{name: small}]
providers:
- name: p
  cloud: c
  cloud-images: [{name: i}]
  pools:
  - {name: m, max-volumes: 3, labels: [{name: small, cloud-image: i, min-ram: "512"}]}`).providers;
    const { cloud, rate } = first?.settings ?? {};
    const { "auto-floating-ip": floating, "max-volumes": volumes } = first?.pools[0]?.settings ?? {};
    const { "min-ram": ram, "volume-size": size } = first?.pools[0]?.labels[0]?.settings ?? {};
    assert.deepEqual([cloud, rate, floating, volumes, ram, size], ["c", 1, true, 3, 512, 50]);
  });
});
