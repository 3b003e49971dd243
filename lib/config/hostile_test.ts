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

  it("when there is more of it than anybody writes", () => {
    for (const piece of ["&a ", "- a\n", "|\n", '"', "{name: a},", "\n"]) {
      assert.equal(
        messageOf(piece.repeat(400_000)),
        "1:1: has more lines, lists and mappings than any configuration",
      );
    }
  });

  it("when it nests without end", () => {
    const deep = Array.from({ length: 2000 }, (_, depth) => `${" ".repeat(depth)}a:\n`).join("");
    for (const text of ["[".repeat(4_000_000), "{a: ".repeat(50_000), `${"- ".repeat(20_000)}a`, deep]) {
      assert.equal(messageOf(text), "1:1: is nested too deeply to be a configuration");
    }
  });
});
