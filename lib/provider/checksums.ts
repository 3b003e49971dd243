// Checks, while a file streams by, that it is the file that was built.
import { Buffer } from "node:buffer";
import { createHash, type Hash } from "node:crypto";
import { open } from "node:fs/promises";
import { Transform } from "node:stream";

/** What a file must be; null where nobody knows. */
export interface Checksums {
  readonly md5: string | null;
  readonly sha256: string | null;
}

/** Passes a stream on and takes its checksums on the way. */
export class ChecksumMeter extends Transform {
  readonly #expected: Checksums;
  readonly #hashes = new Map<"md5" | "sha256", Hash>();

  constructor(expected: Checksums) {
    super();
    this.#expected = expected;
    for (const name of ["md5", "sha256"] as const) {
      if (expected[name] !== null) this.#hashes.set(name, createHash(name));
    }
  }

  override _transform(chunk: Buffer, _encoding: string, done: (error: null, chunk: Buffer) => void): void {
    for (const hash of this.#hashes.values()) hash.update(chunk);
    done(null, chunk);
  }

  /** To be called once, after the end. @throws {Error} when the file is another one */
  verify(path: string): void {
    for (const [name, hash] of this.#hashes) {
      const [found, expected] = [hash.digest("hex"), this.#expected[name]];
      if (found !== expected) {
        throw new Error(`${path} is not the file that was built: its ${name} is ${found}, not ${expected}`);
      }
    }
  }
}

/** @throws {Error} when the file does not begin as a tar does */
export async function assertTar(path: string): Promise<void> {
  const handle = await open(path);
  try {
    const { buffer } = await handle.read(Buffer.alloc(5), 0, 5, 257);
    if (buffer.toString("latin1") !== "ustar") throw new Error(`${path} is not a tar file`);
  } finally {
    await handle.close();
  }
}
