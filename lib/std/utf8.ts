import { Buffer } from "node:buffer";

/**
 * A text as UTF-8. `TextEncoder` makes a memory of its own for each text, which takes five times as long as a piece of a
 * larger one; so the bytes are no whole `ArrayBuffer`.
 */
export function utf8(text: string): Uint8Array {
  const { buffer, byteOffset, length } = Buffer.from(text, "utf8");
  return new Uint8Array(buffer, byteOffset, length);
}
