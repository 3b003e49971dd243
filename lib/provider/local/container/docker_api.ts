// The Docker API over a Unix socket, as Docker and Podman both serve it, in promises and with our errors.
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import Docker from "dockerode";
import { messageOf } from "../../../std/errors.ts";
import { NotFoundError, ProviderError, ThrottledError } from "../../contract.ts";
import { unixAgent } from "./unix_agent.ts";

/** An engine's answer that refuses a call. */
export class DockerError extends ProviderError {
  override name = "DockerError";
  readonly status: number;

  constructor(message: string, status: number, cause: unknown) {
    super(message, { retryable: status >= 500, cause });
    this.status = status;
  }
}

/** A connection to an engine; requests are made as they come, nothing stays open between them. */
export class DockerApi {
  readonly docker: Docker;
  readonly socket: string;

  constructor(socket: string) {
    this.socket = socket;
    // Without a host and a protocol of ours the library takes those of DOCKER_HOST, and they win over the socket.
    const connection = {
      socketPath: socket,
      host: undefined,
      protocol: "http",
      agent: unixAgent(),
    };
    this.docker = new Docker(connection as Docker.DockerOptions);
  }

  /**
   * Makes a call. `run` gets the signal to hand to the library, which takes it out of the options that it is in.
   * @throws {NotFoundError} {@link ThrottledError} {@link DockerError} {@link ProviderError} when the engine cannot be
   * reached; the signal's reason
   */
  async call<T>(
    signal: AbortSignal,
    run: (docker: Docker, abortSignal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    const cancelled = new AbortController();
    try {
      // Not every call of the library can be cancelled: those are left to themselves.
      return await Promise.race([run(this.docker, signal), rejectOn(signal, cancelled.signal)]);
    } catch (error) {
      signal.throwIfAborted();
      throw this.#translate(error);
    } finally {
      cancelled.abort();
    }
  }

  #translate(error: unknown): Error {
    if (error instanceof ProviderError) return error;
    const status = statusOf(error);
    const message = messageOf(error).trim();
    if (status === 404) return new NotFoundError(message, { cause: error });
    if (status === 429) return new ThrottledError(message, { cause: error });
    if (status !== null) return new DockerError(message, status, error);
    return new ProviderError(`no answer from the Docker API at ${this.socket}: ${message}`, { cause: error });
  }
}

/** Rejects when `signal` is aborted; forgets about it when `forget` is. */
function rejectOn(signal: AbortSignal, forget: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true, signal: forget });
  });
}

function statusOf(error: unknown): number | null {
  if (typeof error !== "object" || error === null || !("statusCode" in error)) return null;
  return typeof error.statusCode === "number" ? error.statusCode : null;
}

/** Whether a call failed because the thing is in use, or is being changed by another call. */
export function isConflict(error: unknown): boolean {
  return error instanceof DockerError && error.status === 409;
}

/** Whether a container was not made because there is one of its name, or one is being made: Podman says so with 500. */
export function isNameInUse(error: unknown): boolean {
  return error instanceof DockerError && /container name .* is already in use/i.test(error.message);
}

/** Resolves with nothing where the thing that the call is about is gone. */
export async function unlessGone<T>(call: Promise<T>): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof NotFoundError) return null;
    throw error;
  }
}

/** Reads a stream of JSON lines to its end and gives the last of them. @throws {ProviderError} of an `error` line */
export async function lastReport(stream: Readable): Promise<Readonly<Record<string, unknown>>> {
  let last: Readonly<Record<string, unknown>> = {};
  for (const line of (await text(stream)).split("\n")) {
    if (line.trim() === "") continue;
    last = JSON.parse(line);
    if (typeof last.error === "string") throw new ProviderError(last.error);
  }
  return last;
}
