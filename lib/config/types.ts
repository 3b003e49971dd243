// nodepool.yaml after it was read: validated, defaults resolved, frozen. Durations are seconds unless said otherwise.

/** One thing that is wrong or doubtful in a file. */
export interface ConfigProblem {
  readonly severity: "error" | "warning";
  readonly file: string;
  /** 1-based; null when the problem is of the file as a whole. */
  readonly line: number | null;
  readonly column: number | null;
  /** Where in the document, as providers[0].pools[1].labels[0].diskimage. */
  readonly path: string;
  /** What was found, what is allowed, and what to do. */
  readonly message: string;
}

export interface ZooKeeperServerConfig {
  readonly host: string;
  readonly port: number;
  readonly chroot: string;
}

export interface ZooKeeperConfig {
  readonly servers: readonly ZooKeeperServerConfig[];
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string } | null;
  /** Session timeout. */
  readonly timeout: number;
}

export interface LabelConfig {
  readonly name: string;
  readonly minReady: number;
  /** 0: no limit. */
  readonly maxReadyAge: number;
}

export interface DiskImageConfig {
  readonly name: string;
  /** The build command, with its arguments, before it is split as a shell would. */
  readonly dibCommand: string;
  readonly elements: readonly string[];
  readonly envVars: Readonly<Record<string, string>>;
  /** Formats to build: the image's own and those of the providers that list it; sorted. Empty: not built. */
  readonly formats: readonly string[];
  readonly keepFormats: readonly string[];
  readonly deleteAfterUpload: boolean;
  readonly pause: boolean;
  readonly pythonPath: string;
  readonly shellType: string | null;
  readonly rebuildAge: number;
  readonly buildTimeout: number;
  readonly release: string;
  readonly username: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ProviderImageConfig {
  readonly name: string;
  readonly pause: boolean;
  readonly connectionType: string;
  readonly connectionPort: number;
  readonly meta: Readonly<Record<string, string>>;
}

export interface PoolLabelConfig {
  readonly name: string;
  readonly diskimage: string | null;
  readonly cloudImage: string | null;
  readonly hostKeyChecking: boolean;
  /** Fetch the console log when a launch fails. */
  readonly consoleLog: boolean;
  /** The label's keys for the driver, checked and with their defaults; of a driver without a list of keys, all as they stand. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface PoolConfig {
  readonly name: string;
  /** Infinity without a limit; 0 or less disables the pool; negative in all pools, the provider is given up. */
  readonly maxServers: number;
  readonly maxCores: number;
  /** MiB. */
  readonly maxRam: number;
  readonly priority: number;
  readonly nodeAttributes: Readonly<Record<string, unknown>>;
  readonly ignoreProviderQuota: boolean;
  readonly labels: readonly PoolLabelConfig[];
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface ProviderConfig {
  readonly name: string;
  readonly driver: string;
  /** Launches at once; Infinity without a limit. */
  readonly maxConcurrency: number;
  readonly bootTimeout: number;
  readonly launchTimeout: number;
  readonly launchRetries: number;
  readonly imageUploadTimeout: number;
  readonly imageNameFormat: string;
  readonly postUploadHook: string | null;
  /** The format that this provider takes images in. */
  readonly imageFormat: string;
  /** Whether images are uploaded to it. */
  readonly managesImages: boolean;
  readonly diskimages: readonly ProviderImageConfig[];
  readonly pools: readonly PoolConfig[];
  /** Of what the files of the clouds say of its cloud; left out where it has none, or that cannot be read. */
  readonly cloudFingerprint?: string;
  /** The provider's keys for the driver, as those of a label; with what `diskimages` and `cloud-images` say to it. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface Config {
  /** The path that it was read from. */
  readonly file: string;
  /** SHA-256 of what was read, in hex: tells whether two daemons run with the same configuration. */
  readonly hash: string;
  readonly zookeeper: ZooKeeperConfig | null;
  readonly imagesDir: string | null;
  readonly elementsDir: string | null;
  readonly buildLogDir: string;
  readonly buildLogRetention: number;
  /** Infinity without a limit. */
  readonly maxHoldAge: number;
  readonly labels: ReadonlyMap<string, LabelConfig>;
  readonly diskimages: ReadonlyMap<string, DiskImageConfig>;
  readonly providers: readonly ProviderConfig[];
  /** What each tenant may use at most, by resource: instances, cores, ram (MiB), volumes, volume-gb and any other. */
  readonly tenantLimits: ReadonlyMap<string, Readonly<Record<string, number>>>;
  readonly webapp: { readonly port: number; readonly listenAddress: string };
  readonly warnings: readonly ConfigProblem[];
}

/** A configuration that cannot be used; all its errors at once. */
export class ConfigError extends Error {
  override name = "ConfigError";
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(formatProblem).join("\n"));
    this.problems = problems;
  }
}

/** A file is not there, perhaps only for the moment in which it is replaced. */
export class MissingFileError extends ConfigError {
  override name = "MissingFileError";
}

/** A problem on one line: file:line:column: [warning:] path: message. */
export function formatProblem(problem: ConfigProblem): string {
  const place =
    problem.line === null ? problem.file : `${problem.file}:${problem.line}:${problem.column ?? 1}`;
  const severity = problem.severity === "warning" ? "warning: " : "";
  const path = problem.path === "" ? "" : `${problem.path}: `;
  return `${place}: ${severity}${path}${problem.message}`;
}
