import { type Config, ConfigError, type ZooKeeperConfig } from "./types.ts";

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

function missing(config: Config, path: string, message: string): ConfigError {
  return new ConfigError([{ severity: "error", file: config.file, line: null, column: null, path, message }]);
}
