import { type Document, parseDocument, type YAMLParseError } from "yaml";
import { withPlainTags } from "./yaml_tags.ts";

// PyYAML does not look at indentation between brackets, and this parser does. Where it objects to a line there, the line
// is moved to the right, and it parses anew.

/** Deeper than what the line is in. */
const INDENTATION = " ".repeat(700);
/** Lines that may be moved, characters that may be parsed for it, and objections: after more the first ones stand. */
const MAXIMUM_MOVES = 200;
const MAXIMUM_PARSED = 4_000_000;
const MAXIMUM_OBJECTIONS = 5000;

/** A parsed file. Offsets of the document's nodes and errors are of the parsed text. */
export interface ParsedYaml {
  readonly document: Document;
  /** The offset in the text that was given of an offset in the text that was parsed. */
  readonly toOriginal: (offset: number) => number;
}

/** Parses YAML 1.1. */
export function parseLeniently(given: string): ParsedYaml {
  const first = { document: parse(given), toOriginal: (offset: number) => offset };
  let { document } = first;
  let text = given;
  let parsed = 0;
  let objections = 0;
  const moves: number[] = [];
  while (document.errors.length > 0) {
    parsed += text.length;
    objections += document.errors.length;
    const starts = document.errors.filter(isIndentation).map(({ pos: [offset] }) => lineStart(text, offset));
    const places = [...new Set(starts)].sort((a, b) => b - a);
    const isTooMuch =
      moves.length + places.length > MAXIMUM_MOVES ||
      parsed > MAXIMUM_PARSED ||
      objections > MAXIMUM_OBJECTIONS;
    if (places.length === 0 || isTooMuch) return first;
    for (const place of places) {
      text = text.slice(0, place) + INDENTATION + text.slice(place);
      for (const [index, move] of moves.entries()) {
        if (move === place) return first;
        if (move > place) moves[index] = move + INDENTATION.length;
      }
      moves.push(place);
    }
    document = parse(text);
  }
  const inserted = moves.sort((a, b) => a - b);
  const toOriginal = (offset: number) => {
    let shift = 0;
    for (const place of inserted) {
      if (place >= offset) break;
      shift += Math.min(INDENTATION.length, offset - place);
    }
    return offset - shift;
  };
  return { document, toOriginal };
}

function parse(text: string): Document {
  return parseDocument(text, {
    version: "1.1",
    schema: "failsafe",
    customTags: withPlainTags,
    resolveKnownTags: false,
    merge: false,
    uniqueKeys: false,
    prettyErrors: false,
    // With "silent" a second document would go unnoticed.
    logLevel: "error",
  });
}

function isIndentation({ code, message }: YAMLParseError): boolean {
  return code === "BAD_INDENT" && message.includes("must be sufficiently indented");
}

function lineStart(text: string, offset: number): number {
  return text.lastIndexOf("\n", offset - 1) + 1;
}
