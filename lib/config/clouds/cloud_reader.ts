import { createHash } from "node:crypto";
import { type Cloud, resolveCloud } from "./cloud.ts";
import { CloudConfigError, type Env, readCloudFiles } from "./files.ts";

/**
 * A cloud by its name and the region; null for either as in {@link resolveCloud}.
 *
 * @throws {CloudConfigError} when the cloud cannot be resolved
 */
export type CloudOf = (cloud: string | null, region: string | null) => Cloud;

/** Reads the files of the clouds. Files that cannot be read are told for each cloud that is asked for. */
export async function readClouds(env: Env): Promise<CloudOf> {
  try {
    const files = await readCloudFiles(env);
    return (cloud, region) => resolveCloud(files, env, cloud, region);
  } catch (error) {
    if (!(error instanceof CloudConfigError)) throw error;
    return () => {
      throw error;
    };
  }
}

/** Tells whether two readings of a cloud are the same, credentials and all, without saying any of it. */
export function fingerprintOf(cloud: Cloud): string {
  return createHash("sha256").update(JSON.stringify(cloud)).digest("hex");
}
