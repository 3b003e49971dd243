// What a call of ours ends with when it fails: one error class with a sentence for people and fields for programs.
import { ClientError as GrpcError, Status } from "nice-grpc-common";
import { RichClientError } from "nice-grpc-error-details";
import { ERROR_DOMAIN } from "./errors.ts";

/** The name of a gRPC status code, as NOT_FOUND. */
export type CodeName = keyof typeof Status;

/** A call that failed. `message` can be shown as it is. */
export class ClientError extends Error {
  override name = "ClientError";
  readonly code: CodeName;
  /** The server's UPPER_SNAKE word for the reason; UNREACHABLE when no server answered; "" when it gave none. */
  readonly reason: string;
  /** The details that came with the error: each a message of google.rpc, with its `$type`. */
  readonly details: readonly { readonly $type: string }[];
  /** When to call again, in milliseconds, if the server said so. */
  readonly retryAfterMs: number | null;

  constructor(
    code: CodeName,
    message: string,
    options: {
      reason?: string;
      details?: readonly { readonly $type: string }[];
      retryAfterMs?: number | null;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.reason = options.reason ?? "";
    this.details = options.details ?? [];
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

/** What a call was made to, for messages: as "the launcher", "127.0.0.1:8990". */
export interface Peer {
  readonly kind: string;
  readonly address: string;
}

/** The error for people; what is no gRPC error comes back as it is. */
export function toClientError(error: unknown, peer: Peer): unknown {
  if (!(error instanceof GrpcError)) return error;
  const code = codeName(error.code);
  const details = error instanceof RichClientError ? error.extra : [];
  const info = details.find((detail) => detail.$type === "google.rpc.ErrorInfo");
  const retry = details.find((detail) => detail.$type === "google.rpc.RetryInfo");
  const ours = info?.$type === "google.rpc.ErrorInfo" && info.domain === ERROR_DOMAIN ? info : undefined;
  if (code === "UNAVAILABLE" && ours === undefined) return unreachable(error.details, peer);
  if (code === "UNIMPLEMENTED" && ours === undefined) {
    const message = `${peer.kind} at ${peer.address} does not know the call ${error.path}: is it another program or an older version?`;
    return new ClientError(code, message, { cause: error });
  }
  const delay = retry?.$type === "google.rpc.RetryInfo" ? retry.retryDelay : undefined;
  return new ClientError(code, error.details || code, {
    reason: ours?.reason ?? "",
    details,
    retryAfterMs: delay === undefined ? null : delay.seconds * 1000 + delay.nanos / 1_000_000,
    cause: error,
  });
}

function unreachable(reason: string, { kind, address }: Peer): ClientError {
  const cause = /E[A-Z]{4,}/.exec(reason)?.[0] ?? reason;
  const hint = /EACCES|EPERM/.test(cause) ? "may you read and write the socket?" : "is it running?";
  return new ClientError("UNAVAILABLE", `cannot reach ${kind} at ${address}: ${hint} (${cause})`, {
    reason: "UNREACHABLE",
  });
}

function codeName(code: Status): CodeName {
  return (Status[code] as CodeName | undefined) ?? "UNKNOWN";
}
