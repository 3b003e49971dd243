import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "./load.ts";
import { ConfigError } from "./types.ts";

/** What is said of a text, with the file's name left out. */
function messageOf(text: string): string {
  try {
    parseConfig(text, "f");
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll(/^f:/gm, "");
    throw error;
  }
  return "accepted";
}

/** The same of a text that could take minutes. */
function messageSoon(text: string): string {
  const start = performance.now();
  const message = messageOf(text);
  const took = performance.now() - start;
  assert.ok(took < 5000, `it took ${Math.round(took)} ms, in which a daemon does nothing else`);
  return message;
}

describe("a hostile file is refused in a moment", () => {
  it("when its aliases multiply", () => {
    const lines = ["a: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i < 12; i += 1) {
      const word = `*a${i - 1}`;
      lines.push(`b${i}: &a${i} [${Array.from({ length: 10 }, () => word).join(", ")}]`);
    }
    assert.match(
      messageOf(lines.join("\n")),
      /its aliases expand to more than 1,000,000 values, which is refused/,
    );
  });

  it("when its merges multiply", () => {
    const keys = Array.from({ length: 10_000 }, (_, index) => `k${index}: 1`).join(", ");
    for (const text of [
      `a: &a {${keys}}\nlabels:\n${"- {<<: *a}\n".repeat(8000)}`,
      `a: &a {${keys}}\nlabels: [{<<: [${"*a, ".repeat(20_000)}*a]}]`,
    ]) {
      assert.match(messageOf(text), /its aliases expand to more than 1,000,000 values, which is refused/);
    }
  });

  it("when it names thousands of variables in one line", () => {
    assert.match(messageSoon(`${" ".repeat(500)}${"%(NODEPOOL_A)".repeat(100_000)}`), /has no NODEPOOL_A/);
  });

  it("when the parser objects to thousands of lines", () => {
    assert.match(
      messageSoon(`labels: [\n${"{name: x\n}\n,".repeat(2000)}]`),
      /must be sufficiently indented/,
    );
  });

  it("when there is more of it than anybody writes", () => {
    const pieces = { "&a ": 1, "- a\n": 2, "|\n": 2, '"': 1, "{name: a},": 4, "\n": 1 };
    for (const [piece, marks] of Object.entries(pieces)) {
      const found = (marks * 400_000).toLocaleString("en");
      assert.equal(
        messageOf(piece.repeat(400_000)),
        `1:1: has ${found} line ends and marks of YAML (as : - , [ {), and 300,000 are read at most; leave out keys that have their default, or divide the providers among launchers with files of their own`,
      );
    }
  });

  it("from one mark beyond the limit on, and not before", () => {
    assert.equal(messageSoon("\n".repeat(300_000)), "accepted");
    assert.match(messageSoon("\n".repeat(300_001)), /has 300,001 line ends/);
  });

  it("when it nests without end", () => {
    const deep = Array.from({ length: 2000 }, (_, depth) => `${" ".repeat(depth)}a:\n`).join("");
    for (const text of ["[".repeat(4_000_000), "{a: ".repeat(50_000), `${"- ".repeat(20_000)}a`, deep]) {
      assert.equal(messageOf(text), "1:1: is nested too deeply to be a configuration");
    }
  });
});
