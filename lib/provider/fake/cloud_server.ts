// Shows a fake cloud to other processes: one POST a call, arguments and answers in JSON. A cloud outlives a launcher.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { messageOf } from "../../std/errors.ts";
import { NameTakenError, NotFoundError, ProviderError, QuotaError, ThrottledError } from "../contract.ts";
import type { CloudApi } from "./api.ts";

/** How an error travels. */
export interface ErrorMessage {
  readonly kind: "quota" | "not-found" | "name-taken" | "throttled" | "other";
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number | null;
}

/** A cloud that can be reached. */
export interface CloudServer {
  /** As 127.0.0.1:port, the provider's key `cloud`. */
  readonly address: string;
  /** Ends every connection, as a restart does: calls without an answer fail. */
  cut(): void;
  close(): Promise<void>;
}

const METHODS: ReadonlySet<string> = new Set<keyof CloudApi>([
  "listInstances",
  "createInstance",
  "awaitInstance",
  "deleteInstance",
  "consoleLog",
  "listImages",
  "createImage",
  "deleteImage",
  "listLeftovers",
  "deleteLeftover",
  "limits",
]);

/** Serves the cloud on a port of 127.0.0.1 that the system chooses. */
export async function serveCloud(cloud: CloudApi): Promise<CloudServer> {
  const server: Server = createServer({ keepAlive: true }, (request, response) => {
    answer(cloud, request, response).catch((error: unknown) => {
      response.statusCode = 400;
      response.end(messageOf(error));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve());
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: () => server.closeAllConnections(),
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(cloud: CloudApi, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort(new Error("the caller is gone")));
  const method = (request.url ?? "").slice(1);
  if (!METHODS.has(method)) throw new Error(`there is no call ${method}`);
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += chunk;
  const call = cloud[method as keyof CloudApi] as (...words: unknown[]) => Promise<unknown>;
  try {
    const result = await call.call(cloud, ...(JSON.parse(body) as unknown[]), gone.signal);
    response.end(JSON.stringify({ result: result ?? null }));
  } catch (error) {
    if (gone.signal.aborted) return;
    response.end(JSON.stringify({ error: describeError(error) }));
  }
}

function describeError(error: unknown): ErrorMessage {
  const retryable = error instanceof ProviderError ? error.retryable : true;
  const retryAfterMs = error instanceof ThrottledError ? error.retryAfterMs : null;
  return { kind: kindOf(error), message: messageOf(error), retryable, retryAfterMs };
}

function kindOf(error: unknown): ErrorMessage["kind"] {
  if (error instanceof QuotaError) return "quota";
  if (error instanceof NameTakenError) return "name-taken";
  if (error instanceof ThrottledError) return "throttled";
  return error instanceof NotFoundError ? "not-found" : "other";
}
