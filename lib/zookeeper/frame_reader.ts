import { Buffer } from "node:buffer";

/** The peer does not speak ZooKeeper's protocol, or not as it should: the connection is of no more use. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}

/** Larger than any answer that we expect (the names of half a million children); smaller than a stray length. */
const MAX_FRAME_BYTES = 32 * 1024 * 1024;

/** Cuts the bytes of one connection into frames: four bytes of length, then the body. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #size = 0;
  /** Bytes needed before anything can be done: a header, then header and body. */
  #needed = 4;
  readonly #limit: number;

  constructor(limit = MAX_FRAME_BYTES) {
    this.#limit = limit;
  }

  /** Takes more bytes and returns the bodies of the frames that they complete. @throws {ProtocolError} */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#needed) return [];

    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#size);
    const frames: Buffer[] = [];
    let start = 0;
    this.#needed = 4;
    while (bytes.length - start >= 4) {
      const length = bytes.readInt32BE(start);
      if (length < 0 || length > this.#limit) {
        throw new ProtocolError(`frame of ${length} bytes: expected at most ${this.#limit}`);
      }
      if (bytes.length - start < 4 + length) {
        this.#needed = 4 + length;
        break;
      }
      frames.push(bytes.subarray(start + 4, start + 4 + length));
      start += 4 + length;
    }
    this.#chunks = start < bytes.length ? [bytes.subarray(start)] : [];
    this.#size = bytes.length - start;
    return frames;
  }
}
