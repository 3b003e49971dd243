// The program's version, from the package that it is part of.
import { readFileSync } from "node:fs";

// From the sources, and from the compiled files one folder deeper.
const PLACES = ["../../package.json", "../../../package.json"];

/** The version in package.json; "unknown" when there is none. */
export function readVersion(): string {
  for (const place of PLACES) {
    try {
      const manifest = JSON.parse(readFileSync(new URL(place, import.meta.url), "utf8")) as {
        name?: unknown;
        version?: unknown;
      };
      if (manifest.name === "nodepool" && typeof manifest.version === "string") return manifest.version;
    } catch {
      // Not there: the next place.
    }
  }
  return "unknown";
}
