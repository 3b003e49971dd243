// nodepool config-validate
import { readConfig } from "../../../lib/config/load.ts";
import { sarifOf } from "../../../lib/config/sarif.ts";
import { type ConfigProblem, formatProblem } from "../../../lib/config/types.ts";
import { readVersion } from "../../../lib/daemon/version.ts";
import type { Command } from "../context.ts";
import { EXIT, UsageError } from "../host.ts";

export const run: Command = async ({ host, files, output }, _args, options) => {
  const format = options.format ?? (output === "json" ? "json" : "text");
  if (format !== "text" && format !== "json" && format !== "sarif") {
    throw new UsageError(`--format ${String(format)}: expected text, json or sarif`);
  }
  const { problems } = await readConfig(files.config, {
    ...(files.secure === null ? {} : { secureFile: files.secure }),
    env: host.env,
  });
  const isBad = problems.some(({ severity }) => severity === "error" || options.strict === true);
  if (format === "json") host.stdout.write(`${JSON.stringify(problems, null, 2)}\n`);
  else if (format === "sarif") {
    host.stdout.write(`${JSON.stringify(sarifOf(problems, readVersion()), null, 2)}\n`);
  } else {
    for (const problem of problems) host.stdout.write(`${formatProblem(problem)}\n`);
    host.stdout.write(`${files.config}: ${summary(problems)}\n`);
  }
  return isBad ? EXIT.failed : EXIT.ok;
};

function summary(problems: readonly ConfigProblem[]): string {
  const count = (severity: string, word: string) => {
    const found = problems.filter((problem) => problem.severity === severity).length;
    return found === 0 ? [] : [`${found} ${word}${found === 1 ? "" : "s"}`];
  };
  const found = [...count("error", "error"), ...count("warning", "warning")];
  return found.length === 0 ? "valid" : found.join(", ");
}
