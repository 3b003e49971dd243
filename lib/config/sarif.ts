import { pathToFileURL } from "node:url";
import type { ConfigProblem } from "./types.ts";

/** The problems as SARIF 2.1.0, which code hosts show beside the lines that they are about. */
export function sarifOf(problems: readonly ConfigProblem[], version: string): unknown {
  const rules = ["error", "warning"].map((severity) => ({
    id: `nodepool-config-${severity}`,
    shortDescription: {
      text: severity === "error" ? "The configuration cannot be used." : "The configuration is doubtful.",
    },
  }));
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "nodepool config-validate", version, rules } },
        results: problems.map(result),
      },
    ],
  };
}

function result({ severity, file, line, column, path, message }: ConfigProblem): unknown {
  const uri = file.startsWith("/") ? pathToFileURL(file).href : file;
  const region = line === null ? {} : { region: { startLine: line, startColumn: column ?? 1 } };
  return {
    ruleId: `nodepool-config-${severity}`,
    level: severity,
    message: { text: path === "" ? message : `${path}: ${message}` },
    locations: [{ physicalLocation: { artifactLocation: { uri }, ...region } }],
  };
}
