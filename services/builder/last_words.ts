// What a command's output says of its failure: one line for people who have not opened the log yet.

/** How many lines are looked back. */
const REMEMBERED = 200;
const LONGEST = 300;
/** diskimage-builder puts the time before each line. */
const TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \| /;
/** What a shell that traces writes, and what Python writes of where it was. */
const NOISE = /^(\++ |Traceback |\s+File "|\s*$)/;
const TELLING =
  /\berror\b|\bnot found\b|\bcannot\b|\bcan't\b|\bfailed\b|\bno such\b|\bdenied\b|\bunable\b|\bmissing\b|\bno\b.*\bfound\b/i;

/** Remembers the end of an output. */
export class LastWords {
  readonly #lines: string[] = [];

  /** @param text whole lines */
  hear(text: string): void {
    for (const line of text.split("\n")) {
      const bare = line.replace(TIME, "").trimEnd();
      if (!NOISE.test(bare)) this.#lines.push(bare);
    }
    if (this.#lines.length > REMEMBERED) this.#lines.splice(0, this.#lines.length - REMEMBERED);
  }

  /** The last line that names a problem, else the last line; null when there was none. */
  get line(): string | null {
    const line = this.#lines.findLast((candidate) => TELLING.test(candidate)) ?? this.#lines.at(-1);
    return line === undefined ? null : line.trim().slice(0, LONGEST);
  }
}
