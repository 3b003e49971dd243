// ConfigService: the same in every daemon.
import { unavailable } from "./errors.ts";
import {
  type Config,
  type ConfigProblem,
  ConfigProblem_Severity,
  ConfigServiceDefinition,
  type ConfigServiceImplementation,
} from "./gen/nodepool/v1/config.ts";
import { type RpcService, rpcService } from "./service.ts";

/** What a daemon tells of its configuration. Times are milliseconds since the epoch. */
export interface ConfigSource {
  readonly file: string;
  readonly hash: string;
  readonly generation: number;
  readonly loadedAt: number;
  readonly problems: readonly string[];
  readonly pendingKeys: readonly string[];
}

/** What another configuration would change, or why it could not come into force. */
export interface Foreseen {
  readonly changes: readonly {
    readonly kind: string;
    readonly subject: string;
    readonly reason: string;
    readonly destructive: boolean;
  }[];
  readonly problems: readonly string[];
}

/** One thing that is wrong or doubtful in a configuration; of the file as a whole without line and column. */
export interface FoundProblem {
  readonly severity: "error" | "warning";
  readonly file: string;
  readonly line: number | null;
  readonly column: number | null;
  readonly path: string;
  readonly message: string;
}

/** How a daemon is asked; null while it is starting. */
export interface ConfigControl {
  status(): ConfigSource;
  /** Whether another configuration is in force. */
  reload(): Promise<boolean>;
  /** What another configuration would change. */
  plan(text: string, secureText: string | null): Promise<Foreseen>;
  /** What is wrong or doubtful in another configuration. */
  validate(text: string, secureText: string | null): Promise<readonly FoundProblem[]>;
}

export function configService(control: () => ConfigControl | null): RpcService {
  const running = () => {
    const found = control();
    if (found === null) throw unavailable("STARTING", "the daemon is starting: it answers in a moment");
    return found;
  };
  const implementation: ConfigServiceImplementation = {
    getConfig: async () => ({ config: message(running().status()) }),
    reloadConfig: async () => {
      const found = running();
      const changed = await found.reload();
      return { config: message(found.status()), changed };
    },
    planConfig: async ({ text, secureText }) => {
      const { changes, problems } = await running().plan(text, secureText ?? null);
      return { changes: changes.map((change) => ({ ...change })), problems: [...problems] };
    },
    validateConfig: async ({ text, secureText }) => {
      const problems = await running().validate(text, secureText ?? null);
      return { problems: problems.map(problemMessage) };
    },
  };
  return rpcService(ConfigServiceDefinition, implementation);
}

function message({ file, hash, generation, loadedAt, problems, pendingKeys }: ConfigSource): Config {
  return {
    file,
    hash,
    generation: BigInt(generation),
    loadTime: new Date(loadedAt),
    problems: [...problems],
    pendingKeys: [...pendingKeys],
  };
}

function problemMessage({ severity, file, line, column, path, message }: FoundProblem): ConfigProblem {
  const { SEVERITY_ERROR, SEVERITY_WARNING } = ConfigProblem_Severity;
  return {
    severity: severity === "error" ? SEVERITY_ERROR : SEVERITY_WARNING,
    file,
    line: line ?? 0,
    column: column ?? 0,
    path,
    message,
  };
}
