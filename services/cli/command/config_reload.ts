// nodepool config-reload
import { Config } from "../../../lib/rpc/gen/nodepool/v1/config.ts";
import type { Command } from "../context.ts";
import { EXIT } from "../host.ts";
import { show } from "../output/show.ts";

export const run: Command = async (context) => {
  const { builderConfig, launcherConfig } = await context.clients();
  const asked = [
    ["builder", builderConfig],
    ["launcher", launcherConfig],
  ] as const;
  // One that is away does not hide what has become of the other's.
  const asking = await Promise.allSettled(
    asked.map(async ([daemon, client]) => {
      const { config } = await client.reloadConfig({});
      return { daemon, config: config ?? Config.fromPartial({}) };
    }),
  );
  const answers = asking.flatMap((each) => (each.status === "fulfilled" ? each.value : []));
  const failures = asking.flatMap((each) => (each.status === "rejected" ? [each.reason] : []));
  if (answers.length === 0) throw failures[0];
  show(
    context,
    answers,
    [
      ["Daemon", ({ daemon }) => daemon],
      ["File", ({ config }) => config.file],
      ["Generation", ({ config }) => String(config.generation)],
      ["Hash", ({ config }) => config.hash.slice(0, 12)],
      ["From the next start", ({ config }) => config.pendingKeys.join(", ")],
    ],
    ({ daemon, config }) => ({ daemon, config: Config.toJSON(config) }),
  );
  const problems = answers.flatMap(({ daemon, config }) =>
    config.problems.map((line) => `${daemon}: ${line}`),
  );
  for (const problem of problems) context.host.stderr.write(`nodepool: ${problem}\n`);
  if (failures.length > 0) throw failures[0];
  return problems.length > 0 ? EXIT.failed : EXIT.ok;
};
