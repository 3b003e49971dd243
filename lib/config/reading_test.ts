import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, it } from "node:test";
import { loadConfig, parseConfig } from "./load.ts";
import { ConfigError, formatProblem, MissingFileError } from "./types.ts";

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
describe("a doubtful file", () => {
  const cases: readonly [string, string, string][] = [
    [
      "an unknown key",
      "image-dir: /x",
      '1:1: warning: image-dir: is not a known key and is ignored; did you mean "images-dir"?',
    ],
    [
      "underscores",
      "labels: [{name: a, min_ready: 1}]",
      '1:20: warning: labels[0].min_ready: is not a known key and is ignored; did you mean "min-ready"?',
    ],
    [
      "a far-off key",
      "labels: [{name: a, zzzz: 1}]",
      "1:20: warning: labels[0].zzzz: is not a known key and is ignored; known here: name, min-ready, max-ready-age",
    ],
    [
      "a key given twice",
      "images-dir: /a\nimages-dir: /b",
      "2:1: warning: images-dir: is given twice in this mapping; the last one counts",
    ],
    [
      "a label given twice",
      "labels: [{name: a}, {name: a, min-ready: 1}]",
      "1:28: warning: labels[1].name: label a already defined above; this one counts, remove the other",
    ],
    [
      "a provider given twice",
      "providers: [{name: p, driver: fake}, {name: p, driver: fake}]",
      "1:45: warning: providers[1].name: provider p already defined above; this one counts, remove the other",
    ],
    [
      "a label given twice in a pool",
      "labels: [{name: l}]\nproviders: [{name: p, driver: fake, pools: [{name: m, labels: [{name: l}, {name: l}]}]}]",
      "2:82: warning: providers[0].pools[0].labels[1].name: label l already defined above; this one counts, remove the other",
    ],
    [
      "a number for a name",
      "labels: [{name: 18}]",
      "1:17: warning: labels[0].name: is read by YAML as the number 18; write it in quotes to make it a text",
    ],
    [
      "a release that loses a digit",
      "diskimages: [{name: a, release: 22.10}]",
      "1:33: warning: diskimages[0].release: is the number 22.1 to YAML; write it in quotes to keep it as 22.10",
    ],
    [
      "digits in quotes",
      "build-log-retention: '5'",
      "1:22: warning: build-log-retention: is a text to YAML, taken as the number 5; write 5, without quotes",
    ],
    [
      "a variable that is not set",
      "# %(NODEPOOL_A)\nimages-dir: /x/%(NODEPOOL_B)",
      "2:16: warning: the environment has no NODEPOOL_B: %(NODEPOOL_B) is left as it is",
    ],
    [
      "an s behind a variable",
      "images-dir: /x/%(NODEPOOL_C)s",
      "1:16: warning: an s follows %(NODEPOOL_C) and goes on as a letter of the value; remove it",
    ],
    [
      "an image that is not uploaded",
      base("    pools: [{name: p, labels: [{name: small, diskimage: disk}]}]"),
      "7:57: warning: providers[0].pools[0].labels[0].diskimage: diskimage disk is never uploaded to provider cloud; add it to the provider's diskimages",
    ],
  ];
  for (const [name, text, expected] of cases) {
    it(`loads with a warning: ${name}`, () => {
      assert.deepEqual(warningsOf(text, { env: { NODEPOOL_C: "c" } }), [expected]);
    });
  }

  it("may be empty", () => {
    for (const text of ["", "# nothing\n", "---\n"]) {
      const config = parse(text);
      assert.deepEqual([config.providers, config.labels.size, config.warnings.length], [[], 0, 0]);
    }
  });
});

describe("YAML is read as PyYAML does", () => {
  const settings = (yaml: string) =>
    parse(`providers: [{name: p, driver: fake, x: ${yaml}}]`).providers[0]?.settings.x;
  const cases: readonly [string, unknown][] = [
    ["yes", true],
    ["Off", false],
    ["y", "y"],
    ["010", 8],
    ["0x1F", 31],
    ["1_000", 1000],
    ["1:30", 90],
    ["08", "08"],
    ["1e3", "1e3"],
    ["1.5e+3", 1500],
    [".5", 0.5],
    ["-.inf", -Infinity],
    ["2024-01-01", "2024-01-01"],
    ["~", null],
    ["NULL", null],
    ["'yes'", "yes"],
    ["0b11", 3],
    ["-7", -7],
    ["!!str 5", "5"],
  ];
  for (const [yaml, value] of cases)
    it(`${yaml} is ${JSON.stringify(value)}`, () => assert.deepEqual(settings(yaml), value));

  it("does not look at indentation between brackets", () => {
    const text = `
labels: [
{name: a},
{name: b,
min_ready: 1}
]
diskimages:
- name: d
  elements: [
    one,
two
]
imagesdir: /x
`;
    const { labels, diskimages, warnings } = parse(text);
    assert.deepEqual([...labels.keys()], ["a", "b"]);
    assert.deepEqual(diskimages.get("d")?.elements, ["one", "two"]);
    assert.deepEqual(
      warnings.map(({ line, column, path }) => [line, column, path]),
      [
        [5, 1, "labels[1].min_ready"],
        [13, 1, "imagesdir"],
      ],
    );
  });

  it("follows anchors, aliases and merged mappings", () => {
    const config = parse(`
labels: [{name: a}]
diskimages:
  - &base {name: one, elements: &e [x], rebuild-age: 5}
  - {<<: *base, name: two, rebuild-age: 6}
  - <<: [{release: a, username: u}, {release: b}]
    name: three
    elements: *e
  - {<<: {release: a, username: u}, <<: {release: b}, name: four}
`);
    const read = (name: string) => config.diskimages.get(name);
    assert.deepEqual([read("two")?.elements, read("two")?.rebuildAge], [["x"], 6]);
    assert.deepEqual(
      [read("three")?.release, read("three")?.username, read("three")?.elements],
      ["a", "u", ["x"]],
    );
    assert.deepEqual([read("four")?.release, read("four")?.username], ["b", "u"]);
  });
});

describe("the environment and the secure file", () => {
  it("fill %(NODEPOOL_...) in, and nothing else", () => {
    const env = { NODEPOOL_DIR: "/data", HOME: "/root" };
    assert.equal(parse("images-dir: '%(NODEPOOL_DIR)/i-%(HOME)'", { env }).imagesDir, "/data/i-%(HOME)");
  });

  it("keep places right after a value of several lines", () => {
    const env = { NODEPOOL_TEXT: "a\n  b\n  c" };
    assert.deepEqual(
      warningsOf("images-dir: %(NODEPOOL_TEXT)\nfoo: 1", { env }).map((line) => line.slice(0, 4)),
      ["2:1:"],
    );
  });

  it("replace the servers and add variables to images", () => {
    const secure = {
      file: "/etc/nodepool/secure.conf",
      text: "zookeeper-servers: [{host: s}]\ndiskimages: [{name: disk, env-vars: {P: '%(NODEPOOL_P)'}}]",
    };
    const config = parse(
      "zookeeper-servers: [{host: a}]\ndiskimages: [{name: disk, env-vars: {P: x, Q: y}}]",
      {
        secure,
        env: { NODEPOOL_P: "hidden" },
      },
    );
    assert.deepEqual(
      config.zookeeper?.servers.map(({ host }) => host),
      ["s"],
    );
    assert.deepEqual(config.diskimages.get("disk")?.envVars, { P: "hidden", Q: "y" });
    assert.equal(parse("", { secure: { file: "/s", text: "" } }).zookeeper, null);
  });

  it("leave the servers as they are where the secure file lists none", () => {
    const { zookeeper } = parse("zookeeper-servers: [{host: a}]", {
      secure: { file: "/s", text: "zookeeper-servers: []" },
    });
    assert.deepEqual(
      zookeeper?.servers.map(({ host }) => host),
      ["a"],
    );
  });

  it("are told where the environment lacks a variable", () => {
    const file = { file: "/s", text: "diskimages: [{name: disk, env-vars: {P: '%(NODEPOOL_P)'}}]" };
    const { warnings } = parse("diskimages: [{name: disk}]", { secure: file });
    assert.deepEqual(
      warnings.map(({ file, column, message }) => [file, column, message]),
      [["/s", 42, "the environment has no NODEPOOL_P: %(NODEPOOL_P) is left as it is"]],
    );
  });

  it("are in no message", () => {
    const secret = "5ecret";
    for (const run of [
      () => parse("", { secure: { file: "/s", text: `zookeeper-servers: [{host: a, port: ${secret}}]` } }),
      () => parse("", { secure: { file: "/s", text: `zookeeper-servers: [{host: a, chroot: ${secret}}]` } }),
      () => parse("zookeeper-timeout: '%(NODEPOOL_S)'", { env: { NODEPOOL_S: secret } }),
      ...["*", "!", "!!", "|", "!<"].map((sign) => () => {
        return parse("images-dir: %(NODEPOOL_S)", { env: { NODEPOOL_S: `${sign}${secret}` } });
      }),
      ...[
        "a: *S",
        "a: !S x",
        "a: |S\n  x",
        "%S\n---\na: b",
        "%YAML 9S\n---\na: b",
        'a: "\\uS"',
        "a: !t!S x",
      ].map((text) => () => parse("", { secure: { file: "/s", text: text.replace("S", secret) } })),
      () => parse(`diskimages: [{name: a, env-vars: {P: [${secret}]}}]`),
    ]) {
      assert.throws(run, (error: Error) => error instanceof ConfigError && !error.message.includes(secret));
    }
  });
});

describe("a file", () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-config-"));
  after(() => rmSync(folder, { recursive: true }));
  const write = (name: string, content: string | Uint8Array) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };

  it("is read with its secure file, and relative folders are in its own folder", async () => {
    const file = write("a.yaml", "images-dir: images\ndiskimages: [{name: d}]");
    const secureFile = write("b.yaml", "diskimages: [{name: d, env-vars: {A: b}}]");
    const config = await loadConfig(file, { secureFile });
    assert.equal(config.imagesDir, join(folder, "images"));
    assert.equal(config.diskimages.get("d")?.envVars.A, "b");
    assert.equal(config.file, file);
  });

  it("has a secure file that is missed with the flag that names it", async () => {
    const secureFile = join(folder, "nowhere.yaml");
    await assert.rejects(
      loadConfig(write("public.yaml", ""), { secureFile }),
      /nowhere\.yaml: does not exist; create it, or name another file with -s$/,
    );
  });

  it("that cannot be read is explained in a sentence", async () => {
    mkdirSync(join(folder, "folder"));
    const cases: [string, RegExp][] = [
      [join(folder, "none.yaml"), /none\.yaml: does not exist; create it, or name another file with -c$/],
      [join(folder, "folder"), /folder: is a directory; name the file in it$/],
      [
        join(write("plain", ""), "x"),
        /plain\/x: does not exist, because a part of its path is not a directory$/,
      ],
      [
        write("latin", new Uint8Array([0x61, 0x3a, 0x20, 0xe9])),
        /latin: is not UTF-8 text; save it in that encoding$/,
      ],
      [write("huge", "# ".padEnd(5_000_000, "x")), /huge: is larger than 4 MiB, which no configuration is$/],
      ["/dev/zero", /\/dev\/zero: is larger than 4 MiB/],
    ];
    if (process.getuid?.() !== 0) {
      chmodSync(write("closed", ""), 0);
      cases.push([join(folder, "closed"), /closed: may not be read by this user; change its mode or owner$/]);
    }
    for (const [file, message] of cases) {
      await assert.rejects(loadConfig(file), (error: Error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, message);
        assert.equal(error instanceof MissingFileError, message.source.includes("does not exist"));
        return true;
      });
    }
  });
});
