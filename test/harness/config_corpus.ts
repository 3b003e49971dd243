// The configurations below test/data/config: some that are good or doubtful, some that cannot be used, each with what
// is said of it beside it.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseConfig } from "../../lib/config/load.ts";
import { type Config, ConfigError, type ConfigProblem, formatProblem } from "../../lib/config/types.ts";
import { PROJECT } from "./program.ts";

const FOLDER = path.join(PROJECT, "test/data/config");
/** What the environment of the corpus has; the token is a secret. */
export const ENVIRONMENT = { NODEPOOL_REGION: "RegionOne", NODEPOOL_TOKEN: "hunter2" };

/** One configuration of the corpus. */
export interface Sample {
  readonly name: string;
  readonly kind: "valid" | "invalid";
  readonly text: string;
  /** The text of its secure file. */
  readonly secure: string | null;
  /** The file with what is to be said of it. */
  readonly golden: string;
}

/** All configurations of the corpus. */
export function samples(): Sample[] {
  return (["valid", "invalid"] as const).flatMap((kind) => {
    const folder = path.join(FOLDER, kind);
    const files = readdirSync(folder).sort();
    const read = (file: string) => readFileSync(path.join(folder, file), "utf8");
    return files
      .filter((file) => file.endsWith(".yaml") && !file.endsWith(".secure.yaml"))
      .map((file) => {
        const name = file.replace(/\.yaml$/, "");
        const secure = files.includes(`${name}.secure.yaml`) ? read(`${name}.secure.yaml`) : null;
        return { name, kind, text: read(file), secure, golden: path.join(folder, `${name}.txt`) };
      });
  });
}

/** What a text is to the loader: a configuration or none, and its problems. @throws {Error} of any other kind: a defect */
export function look(
  text: string,
  name: string,
  secure: string | null = null,
): { readonly config: Config | null; readonly problems: readonly ConfigProblem[] } {
  const more = secure === null ? {} : { secure: { text: secure, file: `${name}.secure.yaml` } };
  try {
    const config = parseConfig(text, `${name}.yaml`, { env: ENVIRONMENT, examine: true, ...more });
    return { config, problems: config.warnings };
  } catch (error) {
    if (error instanceof ConfigError) return { config: null, problems: error.problems };
    throw error;
  }
}

/** What is said of a sample, a line a problem. */
export function told({ text, name, secure }: Sample): string {
  return look(text, name, secure)
    .problems.map((problem) => `${formatProblem(problem)}\n`)
    .join("");
}
