import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { messageOf } from "../../std/errors.ts";
import { ChecksumMeter, type Checksums } from "../checksums.ts";
import { ProviderError } from "../contract.ts";

/**
 * Reads an image's file through, as a cloud that takes it would.
 *
 * @throws {ProviderError} when the file is empty or is not the one that was built
 */
export async function checkImageFile(
  { path, ...checksums }: Checksums & { readonly path: string },
  signal: AbortSignal,
): Promise<void> {
  const { size } = await stat(path);
  if (size === 0) throw new ProviderError(`${path} is no image: it is empty`, { retryable: false });
  const meter = new ChecksumMeter(checksums);
  meter.resume();
  await pipeline(createReadStream(path), meter, { signal });
  try {
    meter.verify(path);
  } catch (error) {
    throw new ProviderError(messageOf(error), { retryable: false });
  }
}
