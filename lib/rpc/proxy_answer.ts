// Answers that are not the server's but of something on the way to it that has lost it: a proxy, a load balancer, a mesh.
import { ClientError, type ClientMiddleware, Status } from "nice-grpc-common";

/** The least number that four bytes of text make. */
const FOUR_LETTERS = 0x20202020;

/**
 * Tells such an answer as what it means: that no server is available. It has to be the innermost middleware, so that
 * those around it see that.
 */
export const proxyAnswerMiddleware: ClientMiddleware = async function* readAnswer(call, options) {
  try {
    return yield* call.next(call.request, options);
  } catch (error) {
    if (!(error instanceof ClientError) || !isOfProxy(error)) throw error;
    throw new ClientError(error.path, Status.UNAVAILABLE, error.details);
  }
};

function isOfProxy({ code, details }: ClientError): boolean {
  // A stream that is reset, for which each proxy has a code of its own. grpc-js makes INTERNAL of most, and CANCELLED
  // of the one that stands for a call whose caller has ended it; if that was us, it is no ClientError.
  if (details.startsWith("Received RST_STREAM with code")) return true;
  if (code === Status.CANCELLED && details === "Call cancelled") return true;
  // A page of HTML, four of whose letters are taken for a length. On Deno its HTTP status comes after it.
  const [, length = "0"] = /^Received message larger than max \((\d+) vs/.exec(details) ?? [];
  return Number(length) >= FOUR_LETTERS;
}
