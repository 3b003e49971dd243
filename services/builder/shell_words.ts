// Splits a command line into words as a POSIX shell does, without ever asking a shell: quotes and backslashes only.

// In this order: space, 'quoted', "quoted", \escaped, plain.
const PART = /(\s+)|'([^']*)'|"((?:\\[\s\S]|[^"\\])*)"|\\([\s\S])|([^\s'"\\]+)/y;

/**
 * The words of a command line. Nothing is expanded: `$`, `*`, `|` and the like are ordinary characters.
 *
 * @throws {Error} when a quote is not closed or the line ends in a backslash
 */
export function shellWords(line: string): string[] {
  const words: string[] = [];
  // null between words: an empty quoted word is a word.
  let word: string | null = null;
  for (let index = 0; index < line.length; ) {
    PART.lastIndex = index;
    const match = PART.exec(line);
    if (match === null) throw new Error(`${problemAt(line.charAt(index))}: ${line}`);
    const [whole, space, single, double, escaped, plain] = match;
    index += whole.length;
    if (space === undefined) {
      word = (word ?? "") + (single ?? plain ?? withoutBackslashes(double, escaped));
    } else if (word !== null) {
      words.push(word);
      word = null;
    }
  }
  return word === null ? words : [...words, word];
}

/** Between double quotes a backslash is one unless a quote, a backslash, `$`, a backquote or a line end follows. */
function withoutBackslashes(double: string | undefined, escaped: string | undefined): string {
  if (double !== undefined) return double.replaceAll(/\\(["\\$`])|\\\n/g, "$1");
  return escaped === "\n" ? "" : (escaped ?? "");
}

function problemAt(character: string): string {
  return character === "\\" ? "the command ends in a backslash" : `a quote (${character}) is not closed`;
}
