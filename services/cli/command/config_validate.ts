// nodepool config-validate
import { readConfig } from "../../../lib/config/load.ts";
import { unfitForProduction } from "../../../lib/config/require.ts";
import { sarifOf } from "../../../lib/config/sarif.ts";
import { type ConfigProblem, formatProblem } from "../../../lib/config/types.ts";
import { readVersion } from "../../../lib/daemon/version.ts";
import { ConfigProblem_Severity } from "../../../lib/rpc/gen/nodepool/v1/config.ts";
import { readGiven, withPath } from "../config_file.ts";
import type { Command, CommandContext } from "../context.ts";
import { EXIT, UsageError } from "../host.ts";

export const run: Command = async (context, _args, options) => {
  const { host, files, output } = context;
  const format = options.format ?? (output === "json" ? "json" : "text");
  if (format !== "text" && format !== "json" && format !== "sarif") {
    throw new UsageError(`--format ${String(format)}: expected text, json or sarif`);
  }
  const problems = options.byDaemon === true ? await askDaemon(context) : await readHere(context);
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

async function readHere({ files, host }: CommandContext): Promise<readonly ConfigProblem[]> {
  const secure = files.secure === null ? {} : { secureFile: files.secure };
  const { config, problems } = await readConfig(files.config, { ...secure, env: host.env });
  return config === null ? problems : [...problems, ...unfitForProduction(config)];
}

/** The launcher knows other variables and another secure file than the host of the command line. */
async function askDaemon({ clients, files }: CommandContext): Promise<readonly ConfigProblem[]> {
  const { launcherConfig } = await clients();
  const text = await readGiven(files.config, "-c");
  const secureText = files.secure === null ? {} : { secureText: await readGiven(files.secure, "-s") };
  const { problems } = await launcherConfig.validateConfig({ text, ...secureText });
  return problems.map(({ severity, file, line, column, ...problem }) => ({
    ...problem,
    file: withPath(file, files),
    severity: severity === ConfigProblem_Severity.SEVERITY_ERROR ? "error" : "warning",
    line: line === 0 ? null : line,
    column: column === 0 ? null : column,
  }));
}

function summary(problems: readonly ConfigProblem[]): string {
  const count = (severity: string, word: string) => {
    const found = problems.filter((problem) => problem.severity === severity).length;
    return found === 0 ? [] : [`${found} ${word}${found === 1 ? "" : "s"}`];
  };
  const found = [...count("error", "error"), ...count("warning", "warning")];
  return found.length === 0 ? "valid" : found.join(", ");
}
