// Configurations that nobody would write: what is good, with some of it broken.
import assert from "node:assert/strict";
import type { Random } from "../simulation/random.ts";
import { look } from "./config_corpus.ts";

const PIECES = [
  ..."[]{}:,*&!|>'\"%#@`~?-\t\n\0\r\u0085\u2028\uFEFF\uD800",
  "- ",
  ": ",
  "<<: ",
  "*a",
  "&a ",
  "!!binary ",
  "!!set {a, b}",
  "---\n",
  "...\n",
  "%YAML 1.2\n",
  "? - a\n: b\n",
  "|2-\n",
  "%(NODEPOOL_TOKEN)",
  "%(NODEPOOL_",
  "0x",
  ".nan",
  "-.inf",
  "1e999",
  "9".repeat(400),
  "2001-12-14t21:59:43.10-05:00",
  "__proto__: {a: b}\n",
  "constructor: 1\n",
  "name: [[[[[[[[]]]]]]]]\n",
];

/** What a round may take, in milliseconds, on a machine that is busy with other things too. */
const MAXIMUM_MS = 10_000;

/** A text of the samples after a few changes: of characters, lines, and parts of other samples. */
export function mutate(random: Random, texts: readonly string[]): string {
  let text = random.pick(texts);
  for (let edits = 1 + random.below(5); edits > 0; edits -= 1) text = edit(random, text, texts);
  return text.slice(0, 200_000);
}

function edit(random: Random, text: string, texts: readonly string[]): string {
  const at = random.below(text.length + 1);
  const to = Math.min(text.length, at + random.below(40));
  const lines = text.split("\n");
  const line = random.below(lines.length);
  switch (random.below(9)) {
    case 0:
      return text.slice(0, at) + random.pick(PIECES) + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(to);
    case 2:
      return text.slice(0, at) + text.slice(at, to).repeat(1 + random.below(50)) + text.slice(to);
    case 3:
      return lines.toSpliced(line, 1).join("\n");
    case 4:
      return lines.toSpliced(line, 0, ...lines.slice(random.below(lines.length), line + 1)).join("\n");
    case 5:
      return lines.with(line, " ".repeat(random.below(9)) + (lines[line]?.trimStart() ?? "")).join("\n");
    case 6: {
      const other = random.pick(texts);
      const from = random.below(other.length + 1);
      return text.slice(0, at) + other.slice(from, from + random.below(400)) + text.slice(at);
    }
    case 7: {
      const words = [...text.matchAll(/[\w./-]+/g)];
      if (words.length === 0) return text;
      const word = random.pick(words);
      const next = random.pick(random.chance(0.5) ? words.map(([each]) => each) : PIECES);
      return text.slice(0, word.index) + next + text.slice(word.index + word[0].length);
    }
    default:
      return random.pick(["[", "{a: ", "- ", "&a [*a, "]).repeat(1 + random.below(400)) + text;
  }
}

export interface FuzzCount {
  loaded: number;
  refused: number;
  slowestMs: number;
}

/**
 * Loads a text by all means: it is a configuration, or it is explained, with places that are in the file, without
 * secrets, and soon.
 */
export function tryText(text: string, count: FuzzCount): void {
  const started = performance.now();
  const { config, problems } = look(text, "fuzz");
  const took = performance.now() - started;
  count.slowestMs = Math.max(count.slowestMs, took);
  assert.ok(took < MAXIMUM_MS, `it took ${Math.round(took)} ms`);
  if (config === null) count.refused += 1;
  else count.loaded += 1;
  const errors = problems.filter(({ severity }) => severity === "error");
  assert.equal(errors.length === 0, config !== null, "errors and the absence of a configuration go together");
  const lines = text.split("\n").length;
  for (const { line, column, message } of problems) {
    assert.ok(message.length > 5 && message.length < 20_000, message);
    assert.ok(line !== null && line >= 1 && line <= lines, `line ${line} of ${lines}: ${message}`);
    assert.ok(column !== null && column >= 1);
  }
}

/** Tries so many random texts; what went wrong names the seed and the text. */
export function fuzz(random: Random, texts: readonly string[], rounds: number): FuzzCount {
  const count: FuzzCount = { loaded: 0, refused: 0, slowestMs: 0 };
  for (let round = 0; round < rounds; round += 1) {
    const text = mutate(random, texts);
    try {
      tryText(text, count);
    } catch (error) {
      throw new Error(`round ${round}: ${JSON.stringify(text.slice(0, 2000))}`, { cause: error });
    }
  }
  return count;
}
