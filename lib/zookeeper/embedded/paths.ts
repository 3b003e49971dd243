// Paths of znodes.

/** Whether ZooKeeper takes this as the path of a znode. */
export function isValidPath(path: string): boolean {
  if (path === "/") return true;
  if (!path.startsWith("/") || invalidCharacters.test(path)) return false;
  return path
    .slice(1)
    .split("/")
    .every((name) => name !== "" && name !== "." && name !== "..");
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const invalidCharacters = /[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/;

/** A sequence number as it is put behind a name: ten digits, zero padded (a sign counts as a digit). */
export function sequence(number: number): string {
  return number < 0 ? `-${String(-number).padStart(9, "0")}` : String(number).padStart(10, "0");
}
