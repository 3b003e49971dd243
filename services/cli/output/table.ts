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

// What a node or a user has named must not steer the reader's terminal.
export function printable(text: string): string {
  if (PLAIN.test(text)) return text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
}

function widthOf(text: string): number {
  return PLAIN.test(text) ? text.length : [...text].length;
}

function pad(text: string, width: number): string {
  return text + " ".repeat(width - widthOf(text));
}
