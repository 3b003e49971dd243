// The command line of `nodepool-standalone`, which is what `npm start` runs.
import { parseArgs } from "node:util";
import { listenAddress, UsageError } from "../../lib/daemon/flags.ts";
import { messageOf } from "../../lib/std/errors.ts";

/** What the standalone process was told. */
export interface StandaloneFlags {
  /** null: the example that comes with the project. */
  readonly config: string | null;
  readonly data: string;
  readonly listen: string;
  readonly builderListen: string;
  /** Port of the embedded coordination server; 0 for any free one. */
  readonly zookeeperPort: number;
  /** Whether packages that are missing may be installed. */
  readonly install: boolean;
  readonly debug: boolean;
  readonly wants: "run" | "help" | "version";
}

const OPTIONS = {
  config: { type: "string", short: "c" },
  data: { type: "string", default: "data" },
  listen: { type: "string", default: "127.0.0.1:8990" },
  "builder-listen": { type: "string", default: "127.0.0.1:8991" },
  "zookeeper-port": { type: "string", default: "0" },
  install: { type: "boolean", default: true },
  debug: { type: "boolean", short: "d", default: false },
  version: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Reads the command line (without the program). @throws {UsageError} */
export function parseStandaloneFlags(args: readonly string[]): StandaloneFlags {
  const values = readValues(args);
  const port = Number(values["zookeeper-port"]);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new UsageError(
      `--zookeeper-port ${values["zookeeper-port"]}: expected a port number, or 0 for any`,
    );
  }
  return {
    config: values.config ?? null,
    data: values.data,
    listen: listenAddress("listen", values.listen),
    builderListen: listenAddress("builder-listen", values["builder-listen"]),
    zookeeperPort: port,
    install: values.install,
    debug: values.debug,
    wants: values.help ? "help" : values.version ? "version" : "run",
  };
}

function readValues(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: false, allowNegative: true })
      .values;
  } catch (error) {
    throw new UsageError(messageOf(error).replace(/ To specify a positional.*$/s, ""));
  }
}

/** The text of --help. */
export const STANDALONE_HELP = `usage: nodepool-standalone [-c FILE] [--data FOLDER] [options]

Builder, launcher and a coordination server in one process: for a first try, a laptop, a single host.

options:
  -c, --config FILE         a nodepool.yaml (default: the example that comes with Nodepool)
  --data FOLDER             where everything is kept; survives a restart (default data)
  --listen ADDRESS          where all gRPC services answer (default 127.0.0.1:8990)
  --builder-listen ADDRESS  where the image service answers too, as a builder's (default 127.0.0.1:8991)
  --zookeeper-port PORT     port of the coordination server on 127.0.0.1 (default: any free one)
  --no-install              never install packages; say which are missing
  -d, --debug               write debug lines to the log file
  --version                 show the version
  -h, --help                show this help

A changed configuration is taken when its file changes, and by nodepool config-reload.

signals: SIGINT, SIGTERM, SIGUSR1, SIGHUP (its terminal is closed) stop in order, a second one but SIGHUP ends it at
once; SIGUSR2 starts or ends a CPU profile.
exit codes: 0 stopped, 2 wrong flags, 69 an address or the data folder cannot be used, 70 a defect, 78 wrong
configuration.
`;
