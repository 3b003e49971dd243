/** A configuration file's text after interpolation, which still knows where each character stands in the file. */
export interface Source {
  readonly file: string;
  readonly text: string;
  /** Its values may be secrets: messages must not repeat them. */
  readonly secret: boolean;
  /** Variables that the text names and the environment lacks, with the offset of each in `text`. */
  readonly missing: readonly { readonly name: string; readonly offset: number }[];
  /** Variables with a letter s behind them, as Python's own %(NAME)s has, where it goes on as a part of the value. */
  readonly suffixed: readonly { readonly name: string; readonly offset: number }[];
  /** The 1-based place in the file of an offset in `text`. */
  place(offset: number): { readonly line: number; readonly column: number };
  /** Whether a part of `text` holds a value of the environment. */
  isInterpolated(start: number, end: number): boolean;
}

/** A part of a file. */
export interface Placed {
  readonly source: Source;
  readonly start: number;
  readonly end: number;
}

const VARIABLE = /%\((NODEPOOL_[A-Za-z0-9_]+)\)/g;

/** Puts the environment's `NODEPOOL_...` variables in the place of every `%(NODEPOOL_...)`; leaves unset ones as they are. */
export function interpolate(
  raw: string,
  file: string,
  env: Readonly<Record<string, string | undefined>>,
  secret = false,
): Source {
  const original = raw.startsWith("\uFEFF") ? raw.slice(1) : raw;
  const pieces: { start: number; end: number; rawStart: number; rawEnd: number }[] = [];
  const missing: { name: string; offset: number }[] = [];
  const suffixed: typeof missing = [];
  let text = "";
  let copied = 0;
  let inComment = isComment(original, 0);
  for (const match of original.matchAll(VARIABLE)) {
    const [whole, name = ""] = match;
    const between = original.slice(copied, match.index);
    const newline = between.lastIndexOf("\n");
    if (newline >= 0) inComment = isComment(original, copied + newline + 1);
    text += between;
    copied = match.index + whole.length;
    if (!inComment && /^s(?![\w-])/.test(original.slice(copied, copied + 2))) {
      suffixed.push({ name, offset: text.length });
    }
    const value = env[name];
    if (value === undefined) {
      if (!inComment) missing.push({ name, offset: text.length });
      text += whole;
      continue;
    }
    pieces.push({
      start: text.length,
      end: text.length + value.length,
      rawStart: match.index,
      rawEnd: copied,
    });
    text += value;
  }
  text += original.slice(copied);

  const toOriginal = (offset: number): number => {
    let shift = 0;
    for (const piece of pieces) {
      if (offset < piece.start) break;
      if (offset < piece.end) return piece.rawStart;
      shift = piece.rawEnd - piece.end;
    }
    return offset + shift;
  };
  const lines = lineStarts(original);
  return {
    file,
    text,
    secret,
    missing,
    suffixed,
    place: (offset) => placeIn(lines, toOriginal(offset)),
    isInterpolated: (start, end) => pieces.some((piece) => piece.start < end && start < piece.end),
  };
}

/** Whether the line is a comment from its start: what is said there is for people. */
function isComment(text: string, lineStart: number): boolean {
  let at = lineStart;
  while (text[at] === " " || text[at] === "\t") at += 1;
  return text[at] === "#";
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

function placeIn(starts: readonly number[], offset: number): { line: number; column: number } {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
}
