import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "./load.ts";

const parse = (text: string) => parseConfig(text, "/etc/nodepool/nodepool.yaml");
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
const provider = (keys: string) => {
  const [first] = parse(local(keys)).providers;
  assert.ok(first !== undefined);
  return first;
};
const pool = (keys: string) => {
  const [first] = provider(`pools:\n  - name: main\n${keys.replaceAll(/^/gm, "    ")}`).pools;
  assert.ok(first !== undefined);
  return first;
};
const image = (keys: string) => {
  const disk = parse(`diskimages:\n  - name: disk\n${keys.replaceAll(/^/gm, "    ")}`).diskimages.get("disk");
  assert.ok(disk !== undefined);
  return disk;
};

/** What a key gives when it is left out, and what it gives when it is written. */
const keys: readonly [string, (keys: string) => unknown, string, unknown, unknown][] = [
  ["elements-dir", (text) => parse(text).elementsDir, "elements-dir: /a:b", null, "/a:/etc/nodepool/b"],
  ["images-dir", (text) => parse(text).imagesDir, "images-dir: img", null, "/etc/nodepool/img"],
  ["build-log-dir", (text) => parse(text).buildLogDir, "build-log-dir: /x", "/var/log/nodepool/builds", "/x"],
  [
    "webapp",
    (text) => parse(text).webapp,
    "webapp: {port: 80, listen_address: '::1'}",
    { port: 8005, listenAddress: "0.0.0.0" },
    { port: 80, listenAddress: "::1" },
  ],
  ["build-log-retention", (text) => parse(text).buildLogRetention, "build-log-retention: -1", 7, -1],
  ["max-hold-age", (text) => parse(text).maxHoldAge, "max-hold-age: 60", Infinity, 60],
  ["max-hold-age below nothing", (text) => parse(text).maxHoldAge, "max-hold-age: -1", Infinity, Infinity],
  ["max-hold-age of nothing", (text) => parse(text).maxHoldAge, "max-hold-age: 0", Infinity, Infinity],
  [
    "label min-ready",
    (text) => parse(`labels: [{name: a${text}}]`).labels.get("a")?.minReady,
    ", min-ready: 2",
    0,
    2,
  ],
  [
    "label max-ready-age",
    (text) => parse(`labels: [{name: a${text}}]`).labels.get("a")?.maxReadyAge,
    ", max-ready-age: 9",
    0,
    9,
  ],
  ["dib-cmd", (text) => image(text).dibCommand, "dib-cmd: dib -n", "disk-image-create", "dib -n"],
  ["elements", (text) => image(text).elements, "elements: [a, b]", [], ["a", "b"]],
  ["env-vars", (text) => image(text).envVars, "env-vars: {A: yes, B: 010}", {}, { A: "yes", B: "010" }],
  ["formats", (text) => image(text).formats, "formats: [vhd, raw, raw]", [], ["raw", "vhd"]],
  ["keep-formats", (text) => image(text).keepFormats, "keep-formats: [raw]", [], ["raw"]],
  ["delete-after-upload", (text) => image(text).deleteAfterUpload, "delete-after-upload: on", false, true],
  ["pause", (text) => image(text).pause, "pause: true", false, true],
  ["python-path", (text) => image(text).pythonPath, "python-path: /p", "auto", "/p"],
  ["shell-type", (text) => image(text).shellType, "shell-type: cmd", null, "cmd"],
  ["rebuild-age", (text) => image(text).rebuildAge, "rebuild-age: 5", 86400, 5],
  ["rebuild-age of nothing", (text) => image(text).rebuildAge, "rebuild-age: 0", 86400, 86400],
  ["build-timeout", (text) => image(text).buildTimeout, "build-timeout: 5", 28800, 5],
  ["release", (text) => image(text).release, "release: 12", "", "12"],
  ["username", (text) => image(text).username, "username: me", "zuul", "me"],
  ["metadata", (text) => image(text).metadata, "metadata: {a: 1}", {}, { a: "1" }],
  ["max-concurrency", (text) => provider(text).maxConcurrency, "max-concurrency: 3", Infinity, 3],
  ["max-concurrency of none", (text) => provider(text).maxConcurrency, "max-concurrency: 0", Infinity, 0],
  ["boot-timeout", (text) => provider(text).bootTimeout, "boot-timeout: 7", 60, 7],
  ["launch-timeout", (text) => provider(text).launchTimeout, "launch-timeout: 7", 300, 7],
  ["launch-retries", (text) => provider(text).launchRetries, "launch-retries: 0", 3, 0],
  ["image-upload-timeout", (text) => provider(text).imageUploadTimeout, "image-upload-timeout: 7", 3600, 7],
  [
    "image-name-format",
    (text) => provider(text).imageNameFormat,
    "image-name-format: x-{upload_id}",
    "{image_name}-{timestamp}",
    "x-{upload_id}",
  ],
  ["post-upload-hook", (text) => provider(text).postUploadHook, "post-upload-hook: /h", null, "/h"],
  ["engine", (text) => provider(text).settings.engine, "engine: sandbox", "auto", "sandbox"],
  ["socket", (text) => provider(text).settings.socket, "socket: /s", undefined, "/s"],
  [
    "state-dir",
    (text) => provider(text).settings["state-dir"],
    "state-dir: st",
    undefined,
    "/etc/nodepool/st",
  ],
  ["max-servers", (text) => pool(text).maxServers, "max-servers: 0", Infinity, 0],
  ["max-cores", (text) => pool(text).maxCores, "max-cores: 8", Infinity, 8],
  ["max-ram", (text) => pool(text).maxRam, "max-ram: 1024", Infinity, 1024],
  ["priority", (text) => pool(text).priority, "priority: 1", 100, 1],
  [
    "node-attributes",
    (text) => pool(text).nodeAttributes,
    "node-attributes: {a: b, c: 1, d: [true]}",
    {},
    { a: "b", c: 1, d: [true] },
  ],
  [
    "ignore-provider-quota",
    (text) => pool(text).ignoreProviderQuota,
    "ignore-provider-quota: true",
    false,
    true,
  ],
];

describe("a key of nodepool.yaml", () => {
  for (const [name, read, written, byDefault, value] of keys) {
    it(`has its default and its value: ${name}`, () => {
      assert.deepEqual([read(""), read(written)], [byDefault, value]);
    });
  }

  it("that names a file or a folder is left out when it is an empty text", () => {
    const paths = /^(?:elements-dir|images-dir|build-log-dir|post-upload-hook|socket|state-dir): /;
    const found = keys.filter(([, , written]) => paths.test(written));
    assert.equal(found.length, 6);
    for (const [name, read, , byDefault] of found) {
      assert.deepEqual(read(`${name}: ''`), byDefault, name);
    }
  });

  it("of the web pages has its default beside the other", () => {
    assert.deepEqual(parse("webapp: {port: 80}").webapp, { port: 80, listenAddress: "0.0.0.0" });
    assert.deepEqual(parse("webapp: {listen_address: '::1'}").webapp, { port: 8005, listenAddress: "::1" });
  });

  it("that has nothing is warned of, unless Nodepool takes an explicit null for it", () => {
    const said = (text: string) => parse(text).warnings.map(({ path, message }) => `${path}: ${message}`);
    const empty = "has no value, so it is as if left out; remove the key, or give it one";
    assert.deepEqual(said("images-dir: ~\nlabels: [{name: a, min-ready: }]"), [
      `images-dir: ${empty}`,
      `labels[0].min-ready: ${empty}`,
    ]);
    assert.deepEqual(said("providers: [{name: k, driver: kubernetes, context: ~}]"), []);
    const image = "{name: a, import-method: snapshot, imds-support: ~}";
    assert.deepEqual(
      said(
        `diskimages: [{name: a}]\nproviders: [{name: k, driver: aws, region-name: r, diskimages: [${image}]}]`,
      ),
      [],
    );
  });

  it("is what is left out when it has nothing", () => {
    assert.deepEqual(
      [parse("labels:\nimages-dir:").labels.size, parse("images-dir: ~").imagesDir],
      [0, null],
    );
  });
});
