// Sends image files to clouds. A file stream allocates every piece anew, which costs a third of the speed.
import { type FileHandle, open } from "node:fs/promises";
import type { Writable } from "node:stream";
import { abortable } from "../std/abortable.ts";

/** Bytes of a piece, and how many are on their way at once: the memory that a file of any size takes. */
const PIECE = 1 << 20;
const PIECES = 4;

/**
 * Writes a file to a stream and ends it, as the body of an HTTP request. Constant memory.
 *
 * @param target is destroyed when the file cannot be read or the signal is aborted
 * @throws what broke the stream, what the file system says, or the signal's reason
 */
export async function sendFile(path: string, target: Writable, signal: AbortSignal): Promise<void> {
  const broken = new AbortController();
  // A receiver that has the whole file may answer and close before the word of it has come through our promises.
  const onClose = () => {
    if (target.writableFinished) return;
    broken.abort(new Error("the connection was closed before the whole file was sent"));
  };
  const onAbort = () => broken.abort(signal.reason);
  target.on("error", (error) => broken.abort(error));
  target.on("close", onClose);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const file = await open(path).catch((error: unknown) => {
    broken.abort(error);
    return null;
  });
  try {
    broken.signal.throwIfAborted();
    if (file !== null) await abortable(sendPieces(file, target, broken.signal), broken.signal);
  } catch (error) {
    target.destroy();
    throw error;
  } finally {
    // The listener for errors stays: a stream that breaks later must find somebody who hears it.
    target.off("close", onClose);
    signal.removeEventListener("abort", onAbort);
    await file?.close();
  }
}

async function sendPieces(file: FileHandle, target: Writable, broken: AbortSignal): Promise<void> {
  const pieces = Array.from({ length: PIECES }, () => ({
    bytes: new Uint8Array(PIECE),
    sent: Promise.resolve(),
  }));
  const { size } = await file.stat();
  let offset = 0;
  for (let turn = 0; ; turn += 1) {
    const piece = pieces[turn % PIECES];
    if (piece === undefined) return;
    // A piece's memory is used again when what was in it has left.
    await abortable(piece.sent, broken);
    const { bytesRead } = await file.read(piece.bytes, 0, PIECE, offset);
    offset += bytesRead;
    const part = piece.bytes.subarray(0, bytesRead);
    // The end goes with the last piece: who has that may close before anything more is said.
    if (bytesRead === 0 || offset >= size) {
      await new Promise<void>((resolve) => target.end(part, resolve));
      return;
    }
    piece.sent = new Promise((resolve) => target.write(part, () => resolve()));
  }
}
