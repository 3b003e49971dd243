// The pages for people say what is true: links lead somewhere, the API's map fits the protos, commands exist.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { describe, it } from "node:test";
import { RichServerError } from "nice-grpc-error-details";
import { parseFlags } from "../../lib/daemon/flags.ts";
import { LAST_RESORT_MS } from "../../lib/daemon/stopping.ts";
import { notFound } from "../../lib/rpc/errors.ts";
import { COMMANDS } from "../../services/cli/commands.ts";
import { exists } from "../deploy/engine.ts";
import { documentedMetrics } from "../harness/documented_metrics.ts";
import { PROJECT } from "../harness/program.ts";

const read = (file: string) => readFile(path.join(PROJECT, file), "utf8");

async function pages(): Promise<string[]> {
  const docs = await readdir(path.join(PROJECT, "docs"), { recursive: true });
  return ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ...docs.map((name) => `docs/${name}`)].filter(
    (name) => name.endsWith(".md"),
  );
}

/** The methods that the protos have. */
async function rpcs(): Promise<string[]> {
  const folder = path.join(PROJECT, "proto/nodepool/v1");
  const texts = await Promise.all(
    (await readdir(folder)).map((name) => readFile(path.join(folder, name), "utf8")),
  );
  return texts.flatMap((text) => Array.from(text.matchAll(/^ {2}rpc (\w+)\(/gm), ([, name = ""]) => name));
}

/** The words in `code` in the first column of the rows of a page's section that end with this mark. */
function marked(page: string, section: string, mark: string): string[] {
  const text = page.split(/^## /m).find((part) => part.startsWith(section)) ?? "";
  const rows = text.split("\n").filter((line) => line.startsWith("| `") && line.endsWith(`| ${mark} |`));
  return rows.flatMap((row) =>
    Array.from((row.split("|")[1] ?? "").matchAll(/`([^`]+)`/g), ([, word = ""]) => word),
  );
}

describe("the pages", () => {
  it("link to files that exist", async () => {
    for (const page of await pages()) {
      for (const [, target = ""] of (await read(page)).matchAll(/\]\(([^)#]+?)(?:#[^)]*)?\)/g)) {
        if (/^https?:/.test(target)) continue;
        const file = path.join(PROJECT, path.dirname(page), target);
        assert.ok(await exists(file), `${page} links to ${target}, which does not exist`);
      }
    }
  });

  it("link to sections that exist", async () => {
    for (const page of await pages()) {
      for (const [, target = "", anchor] of (await read(page)).matchAll(/\]\(([^)#]*)#([^)]+)\)/g)) {
        if (/^https?:/.test(target)) continue;
        const text = await read(target === "" ? page : path.join(path.dirname(page), target));
        const anchors = Array.from(text.matchAll(/^#+ (.+)$/gm), ([, title = ""]) =>
          title
            .toLowerCase()
            .replaceAll(/[^\w -]/g, "")
            .replaceAll(" ", "-"),
        );
        assert.ok(
          anchors.includes(anchor ?? ""),
          `${page} links to ${target}#${anchor}, which does not exist`,
        );
      }
    }
  });

  it("name folders and files of this project that exist", async () => {
    for (const page of await pages()) {
      const named = (await read(page)).matchAll(
        /`((?:lib|services|test|tools|deploy|examples|proto)\/[\w./-]+)`/g,
      );
      for (const [, file = ""] of named) {
        assert.ok(await exists(path.join(PROJECT, file)), `${page} names ${file}, which does not exist`);
      }
    }
  });
});

it("the tables of the pages begin with a header", async () => {
  for (const page of await pages()) {
    const lines = (await read(page)).split("\n");
    const begins = lines.flatMap((line, index) =>
      line.startsWith("|") && !lines[index - 1]?.startsWith("|") ? [index] : [],
    );
    for (const index of begins) {
      assert.match(
        lines[index + 1] ?? "",
        /^\|[-|]+\|$/,
        `${page}:${index + 1} begins a table without a header`,
      );
    }
  }
});

/** The texts of the program, without its tests. */
async function sources(): Promise<string[]> {
  const files = await Promise.all(
    ["lib", "services"].map(async (folder) => {
      const names = await readdir(path.join(PROJECT, folder), { recursive: true });
      return names.filter((name) => /(?<!_test)\.ts$/.test(name)).map((name) => path.join(folder, name));
    }),
  );
  return Promise.all(files.flat().map(read));
}

/** The reasons that errors of the API may have. */
async function reasons(): Promise<string[]> {
  const given =
    /\b(?:failedPrecondition|aborted|unavailable|outOfRange|resourceExhausted|info|refuse)\(\s*"([A-Z]+(?:_[A-Z]+)*)"/g;
  const found = (await sources()).flatMap((text) => [
    ...Array.from(text.matchAll(given), ([, reason = ""]) => reason),
    ...Array.from(text.matchAll(/\bnotFound\(\s*"([^"]+)"/g), ([, kind = ""]) =>
      reasonOf(notFound(kind, "x")),
    ),
  ]);
  return [...new Set(found)].sort();
}

/** The reason that an error gives to programs. */
function reasonOf(error: unknown): string {
  assert.ok(error instanceof RichServerError);
  return error.extra.flatMap((detail) => ("reason" in detail ? [String(detail.reason)] : [])).join();
}

/** The names of the metrics that the sources create. */
async function metrics(): Promise<string[]> {
  const texts = await sources();
  const created = /(?:create(?:Counter|Histogram|UpDownCounter|Gauge|Observable\w+)|gauge)\(\s*"([\w.]+)"/g;
  return texts.flatMap((text) => Array.from(text.matchAll(created), ([, name = ""]) => name));
}

it("docs/operating.md installs from a host's own files and those that the package brings", async () => {
  const block = /On each host, as root:\n\n((?: {4}.*\n)+)/.exec(await read("docs/operating.md"))?.[1] ?? "";
  const words = block.replaceAll(/#.*$/gm, "").split(/\s+/);
  assert.deepEqual(
    words.filter((word) => /^\w.*\//.test(word)),
    [],
    "relative paths",
  );
  const { files }: { files: string[] } = JSON.parse(await read("package.json"));
  const folder = "/usr/local/lib/node_modules/nodepool/";
  const brought = words.filter((word) => word.startsWith(folder)).map((word) => word.slice(folder.length));
  assert.ok(brought.length > 0, "nothing of the package is used");
  for (const file of brought) {
    assert.ok(await exists(path.join(PROJECT, file)), `${file} does not exist`);
    assert.ok(
      files.some((entry) => file.startsWith(entry)),
      `${file} is not in the package`,
    );
  }
});

it("docs/operating.md names exactly the metrics that there are", async () => {
  assert.deepEqual((await documentedMetrics()).sort(), (await metrics()).sort());
});

it("docs/operating.md gives a pod as long as its preStop and a daemon's stop take", async () => {
  const page = await read("docs/operating.md");
  const number = (pattern: RegExp) => Number(pattern.exec(page)?.[1]);
  const sleep = number(/preStop: \{sleep: \{seconds: (\d+)\}\}/);
  const { grace } = parseFlags([], { listen: "127.0.0.1:0", numbers: {} });
  const needed = sleep + grace + LAST_RESORT_MS / 1000;
  const given = number(/terminationGracePeriodSeconds: (\d+)/);
  assert.ok(given > needed, `${given} s are given, ${needed} s may be needed`);
});

describe("docs/api.md", () => {
  it("marks as there exactly the methods that the protos have", async () => {
    const methods = marked(await read("docs/api.md"), "Methods", "now");
    const names = methods.map((name) => name.slice(name.lastIndexOf(".") + 1));
    assert.deepEqual(names.sort(), (await rpcs()).sort());
  });

  it("has exactly the reasons that errors may have", async () => {
    const section = (await read("docs/api.md")).split(/^### /m).find((part) => part.startsWith("Reasons"));
    const cells = Array.from((section ?? "").matchAll(/^\| (`[^|]+) \|/gm), ([, cell = ""]) => cell);
    const told = cells.flatMap((cell) => Array.from(cell.matchAll(/`(\w+)`/g), ([, reason = ""]) => reason));
    assert.deepEqual(told.sort(), await reasons());
  });

  it("marks as there exactly the commands that the command line has", async () => {
    const page = await read("docs/api.md");
    const rows = ["now", "now: no call is missing", "now; a `filter` on uploads is planned"];
    const words = rows.flatMap((mark) => marked(page, "Nodepool's commands", mark));
    const named = new Set(words.map((word) => word.split(" ")[0] ?? ""));
    const had = COMMANDS.map(({ words }) => words.split(" ")[0] ?? "").filter((word) => word !== "version");
    assert.deepEqual([...named].sort(), had.sort());
  });
});
