import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { type ImageSpec, ProviderError } from "../contract.ts";

/**
 * Reads an image's file through, as a cloud that takes it would.
 *
 * @throws {ProviderError} when the file is empty or is not the one that was built
 */
export async function checkImageFile(
  { path, md5, sha256 }: Pick<ImageSpec, "path" | "md5" | "sha256">,
  signal: AbortSignal,
): Promise<void> {
  const { size } = await stat(path);
  if (size === 0) throw new ProviderError(`${path} is no image: it is empty`, { retryable: false });
  for (const [algorithm, wanted] of Object.entries({ md5, sha256 })) {
    if (wanted === null) continue;
    const hash = createHash(algorithm);
    for await (const chunk of createReadStream(path, { signal })) hash.update(chunk);
    const found = hash.digest("hex");
    if (found === wanted) continue;
    throw new ProviderError(`${path}: its ${algorithm} is ${found}, not ${wanted} as it was built`, {
      retryable: false,
    });
  }
}
