import { createReadStream } from "node:fs";
import { codeOf, messageOf } from "../std/errors.ts";
import { ConfigError, type ConfigProblem, MissingFileError } from "./types.ts";

/** Bytes that a file may have: a hundred times of what is known from large sites. */
const MAXIMUM_SIZE = 4 * 1024 * 1024;

const REASONS: Readonly<Record<string, string>> = {
  EISDIR: "is a directory; name the file in it",
  EACCES: "may not be read by this user; change its mode or owner",
  EPERM: "may not be read by this user; change its mode or owner",
  ELOOP: "is a symbolic link that leads to itself",
};

/**
 * The text of a configuration file, which was named with `by`: a flag or a variable of the environment.
 *
 * @throws {ConfigError} with a sentence on why it cannot be read; {@link MissingFileError} when there is none
 */
export async function readText(file: string, by: string): Promise<string> {
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of createReadStream(file, { end: MAXIMUM_SIZE })) {
      chunks.push(chunk);
      size += chunk.length;
    }
    if (size > MAXIMUM_SIZE) throw refusal(file, "is larger than 4 MiB, which no configuration is");
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const code = codeOf(error) ?? "";
    if (code === "ERR_ENCODING_INVALID_ENCODED_DATA" || error instanceof TypeError) {
      throw refusal(file, "is not UTF-8 text; save it in that encoding");
    }
    if (code === "ENOENT") {
      throw missing(file, `does not exist; create it, or name another file with ${by}`);
    }
    if (code === "ENOTDIR") {
      throw missing(file, "does not exist, because a part of its path is not a directory");
    }
    throw refusal(file, REASONS[code] ?? `cannot be read: ${messageOf(error)}`);
  }
}

function refusal(file: string, message: string): ConfigError {
  return new ConfigError([problem(file, message)]);
}

function missing(file: string, message: string): MissingFileError {
  return new MissingFileError([problem(file, message)]);
}

function problem(file: string, message: string): ConfigProblem {
  return { severity: "error", file, line: null, column: null, path: "", message };
}
