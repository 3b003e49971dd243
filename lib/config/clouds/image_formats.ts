import { resolveCloud } from "./cloud.ts";
import { CloudConfigError, type Env, readCloudFiles } from "./files.ts";

/**
 * The format in which a cloud takes images, by its name and the region; null for either as in {@link resolveCloud}.
 *
 * @throws {CloudConfigError} when the cloud cannot be resolved
 */
export type ImageFormatOf = (cloud: string | null, region: string | null) => string;

/** Reads the files of the clouds. Files that cannot be read are told for each cloud that is asked for. */
export async function readImageFormats(env: Env): Promise<ImageFormatOf> {
  try {
    const files = await readCloudFiles(env);
    return (cloud, region) => resolveCloud(files, env, cloud, region).imageFormat;
  } catch (error) {
    if (!(error instanceof CloudConfigError)) throw error;
    return () => {
      throw error;
    };
  }
}
