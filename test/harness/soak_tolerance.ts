import { ClientError } from "../../lib/rpc/client_error.ts";

const CODES = ["NOT_FOUND", "FAILED_PRECONDITION", "UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED"];

/** What a call may be refused with while states change and daemons come and go. @throws whatever else it is */
export function toleratingStates(error: unknown): { readonly node?: undefined; readonly failed: true } {
  if (error instanceof ClientError && CODES.includes(error.code)) return { failed: true };
  throw error;
}
