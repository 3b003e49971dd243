import { type Config, ConfigError, type ConfigProblem, type ZooKeeperConfig } from "./types.ts";

// What a daemon cannot do without, though the file may leave it out.

/** The ensemble. @throws {ConfigError} when the file names none */
export function requireZooKeeper(config: Config): ZooKeeperConfig {
  if (config.zookeeper !== null) return config.zookeeper;
  throw missing(
    config,
    "zookeeper-servers",
    "No ZooKeeper servers specified in config. Name at least one: zookeeper-servers: [{host: HOST, port: PORT}]",
  );
}

/** The folder of built images. @throws {ConfigError} when the file names none */
export function requireImagesDir(config: Config): string {
  if (config.imagesDir !== null) return config.imagesDir;
  throw missing(
    config,
    "images-dir",
    "No images-dir specified in config. Name a folder for built images: images-dir: /opt/nodepool/images",
  );
}

/** What may be meant for a try or a test and is not for production, as warnings. */
export function unfitForProduction(config: Config): readonly ConfigProblem[] {
  const fakes = config.providers.filter(({ driver }) => driver === "fake");
  const pretended = fakes.map(({ name }) =>
    problem(
      config,
      "warning",
      "providers",
      `${name} has the driver fake, which only pretends to launch nodes, for tests; name a real one`,
    ),
  );
  return [...withoutServers(config), ...pretended];
}

/** No daemon starts then, but standalone does. */
function withoutServers(config: Config): readonly ConfigProblem[] {
  if (config.zookeeper !== null) return [];
  const message =
    "is in no file, so only standalone starts with it: name the servers here, or name the secure file that has them with -s";
  return [problem(config, "warning", "zookeeper-servers", message)];
}

function missing(config: Config, path: string, message: string): ConfigError {
  return new ConfigError([problem(config, "error", path, message)]);
}

function problem(
  { file }: Config,
  severity: ConfigProblem["severity"],
  path: string,
  message: string,
): ConfigProblem {
  return { severity, file, line: null, column: null, path, message };
}
