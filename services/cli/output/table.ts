// Tables as Nodepool prints them (PrettyTable's look), so that scripts which read them go on working.

/** A table: a header and rows of as many cells. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [header, ...rows].map((row) => row.map(printable));
  const widths = header.map((_, column) =>
    cells.reduce((most, row) => Math.max(most, widthOf(row[column] ?? "")), 0),
  );
  const rule = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+`;
  const [head = "", ...body] = cells.map(
    (row) => `|${widths.map((width, column) => ` ${pad(row[column] ?? "", width)} `).join("|")}|`,
  );
  return `${[rule, head, rule, ...body, rule].join("\n")}\n`;
}

/** An age as Nodepool prints it: days, hours, minutes, seconds. Empty when the time is not known. */
export function formatAge(since: Date | undefined, now: number): string {
  if (since === undefined) return "";
  const seconds = Math.max(0, Math.floor((now - since.getTime()) / 1000));
  const parts = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

/** A state's word as Nodepool has it: STATE_IN_USE is in-use. */
export function stateWord(state: string): string {
  return state
    .replace(/^STATE_/, "")
    .replaceAll("_", "-")
    .toLowerCase();
}

/** Nearly all that is shown, ten thousand times over: what follows is for the rest. */
const PLAIN = /^[ -~]*$/;

/** What stands in two columns of a terminal: East Asian scripts, full-width forms and pictures. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]$/u;

/** What stands on the character before it, or is not seen at all. */
const WITHOUT_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u;

// What a node or a user has named must not steer the reader's terminal: neither controls, nor what ends a line or turns the
// text's direction around.
export function printable(text: string): string {
  if (PLAIN.test(text)) return text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, " ");
}

/** Columns of a terminal. */
function widthOf(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += WIDE.test(character) ? 2 : WITHOUT_WIDTH.test(character) ? 0 : 1;
  return width;
}

function pad(text: string, width: number): string {
  return text + " ".repeat(width - widthOf(text));
}
