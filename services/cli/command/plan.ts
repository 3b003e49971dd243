// nodepool plan
import type { PlanConfigResponse, PlannedChange } from "../../../lib/rpc/gen/nodepool/v1/config.ts";
import { readGiven, withPath } from "../config_file.ts";
import type { Command, CommandContext } from "../context.ts";
import { EXIT } from "../host.ts";
import { printable } from "../output/table.ts";

type Answers = readonly [builder: PlanConfigResponse, launcher: PlanConfigResponse];

/** What the exit code tells when something would be lost. */
const DESTRUCTIVE = 3;

export const run: Command = async (context) => {
  const { files, host, output } = context;
  const text = await readGiven(files.config, "-c");
  const secureText = files.secure === null ? undefined : await readGiven(files.secure, "-s");
  const answers = await askAll(context, { text, ...(secureText === undefined ? {} : { secureText }) });
  const problems = [...new Set(answers.flatMap((answer) => answer.problems))];
  if (problems.some((problem) => !/:\d+: warning: /.test(problem))) {
    for (const problem of problems) host.stderr.write(`nodepool: ${withPath(problem, files)}\n`);
    return EXIT.failed;
  }
  const changes = withoutRepeats(answers);
  if (output === "json") host.stdout.write(`${JSON.stringify(changes, null, 2)}\n`);
  else if (changes.length === 0) host.stdout.write("Nothing would change.\n");
  else {
    for (const { kind, subject, reason, destructive } of changes) {
      const line = `${destructive ? "!" : " "} ${kind} ${subject}: ${reason}`;
      host.stdout.write(`${printable(line)}\n`);
    }
    const lost = changes.filter(({ destructive }) => destructive).length;
    host.stdout.write(`${changes.length} changes, ${lost} of them take something away (!)\n`);
  }
  return changes.some(({ destructive }) => destructive) ? DESTRUCTIVE : EXIT.ok;
};

/** What both say is said once: where one process is both, or both have to be started anew. */
function withoutRepeats([builder, launcher]: Answers): PlannedChange[] {
  const said = new Set(builder.changes.map((change) => JSON.stringify(change)));
  return [...builder.changes, ...launcher.changes.filter((change) => !said.has(JSON.stringify(change)))];
}

/** Both are asked: one knows the images, the other the nodes. */
async function askAll(
  { clients }: CommandContext,
  request: { readonly text: string; readonly secureText?: string },
): Promise<Answers> {
  const { builderConfig, launcherConfig } = await clients();
  return await Promise.all([builderConfig.planConfig(request), launcherConfig.planConfig(request)]);
}
