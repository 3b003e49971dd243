// Opens what builder and launcher work with, on the engine that this machine has.
import type { Config } from "../../lib/config/types.ts";
import { type ContextOptions, type OpenContext, openServiceContext } from "../../lib/daemon/context.ts";
import { type Adapt, type OwnEngine, type Setup, withLocalSettings } from "./setup.ts";

/** What was opened, and what is made of each configuration from then on. */
export interface Opened {
  readonly opened: OpenContext;
  /** The configuration of the start, adapted. */
  readonly config: Config;
  readonly adapt: Adapt;
}

/** Opens the context; where no isolation can be had, local providers that leave the engine open go without. */
export async function openContext(
  setup: Setup,
  engine: OwnEngine,
  print: (line: string) => void,
  options: Omit<ContextOptions, "config">,
): Promise<Opened> {
  const adapt: Adapt = (read) => engine.adapt(setup.adapt(read));
  const config = engine.adapt(setup.config);
  const opened = await openServiceContext({ ...options, config });
  const open = new Set(
    config.providers
      .filter(({ driver, settings }) => driver === "local" && (settings.engine ?? "auto") === "auto")
      .map(({ name }) => name),
  );
  const stranded = opened.context.unserved.filter(({ name }) => open.has(name));
  if (stranded.length === 0) return { opened, config, adapt };
  for (const { name, problem } of stranded) {
    print(`provider ${name}: no isolation can be had here (${problem}); nodes run as plain processes`);
  }
  await opened.close();
  const asProcesses: Adapt = (read) => withLocalSettings(read, { engine: "process" });
  const plain = asProcesses(config);
  return {
    opened: await openServiceContext({ ...options, config: plain }),
    config: plain,
    adapt: (read) => asProcesses(adapt(read)),
  };
}
