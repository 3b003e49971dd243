// An HTTP server that answers as a script says, with Keystone's token and catalogue by itself: for the paths of the
// OpenStack driver that a real cloud takes too rarely.
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";

export interface ScriptedCall {
  readonly method: string;
  /** Without the service's prefix, with the query. */
  readonly path: string;
  readonly service: string;
  readonly body: string;
  readonly headers: IncomingMessage["headers"];
}

export interface ScriptedAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Comes from a proxy before the service: without the id that each answer of a service has. */
  readonly isFromProxy?: boolean;
  /** Breaks the connection instead of answering. */
  readonly isLost?: boolean;
}

export type Script = (call: ScriptedCall) => ScriptedAnswer | Promise<ScriptedAnswer> | undefined;

/** A running one. */
export interface ScriptedOpenStack {
  readonly url: string;
  /** All calls but those for tokens. */
  readonly calls: readonly ScriptedCall[];
  /** Bodies of the calls for tokens. */
  readonly logins: readonly string[];
  /** A clouds.yaml of the cloud `scripted`, with more keys as YAML lines of two spaces more. */
  cloudsYaml(more?: string): string;
  close(): Promise<void>;
}

const PREFIXES: Readonly<Record<string, string>> = {
  compute: "/nova/v2.1",
  network: "/neutron/v2.0",
  image: "/glance/v2",
  volumev3: "/cinder/v3/project-1",
};

/** How the server is to be. */
export interface ScriptOptions {
  /** PEM texts; absent: plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Answers a login; undefined gives a token. */
  readonly login?: (body: string) => ScriptedAnswer | undefined | Promise<ScriptedAnswer | undefined>;
  /** Seconds that a token lives. @default 3600 */
  readonly tokenLife?: number;
  /** Services that the catalogue lacks. */
  readonly without?: readonly string[];
}

/** Starts one; what the script leaves undefined is an empty list. */
export async function startScriptedOpenStack(
  script: Script,
  options: ScriptOptions = {},
): Promise<ScriptedOpenStack> {
  const calls: ScriptedCall[] = [];
  const logins: string[] = [];
  let url = "";
  const answer = async (request: IncomingMessage): Promise<ScriptedAnswer> => {
    let body = "";
    for await (const part of request.setEncoding("utf8")) body += part;
    const path = request.url ?? "";
    if (path === "/v3/auth/tokens") {
      logins.push(body);
      return (await options.login?.(body)) ?? token(url, logins.length, options);
    }
    const [service = "", prefix = ""] =
      Object.entries(PREFIXES).find(([, each]) => path.startsWith(each)) ?? [];
    const { method = "", headers } = request;
    const call = { method, path: path.slice(prefix.length), service, body, headers };
    calls.push(call);
    return (await script(call)) ?? usual(call);
  };
  const listener = (request: IncomingMessage, response: import("node:http").ServerResponse) => {
    answer(request).then(
      ({ status, body, headers, isFromProxy, isLost }) => {
        if (isLost) {
          request.socket.destroy();
          return;
        }
        const id = isFromProxy ? {} : { "x-openstack-request-id": "req-1" };
        response.writeHead(status, { "content-type": "application/json", ...id, ...headers });
        response.end(body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body));
      },
      () => request.socket.destroy(),
    );
  };
  const server = options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  url = `${options.tls === undefined ? "http" : "https"}://${options.tls === undefined ? "127.0.0.1" : "localhost"}:${port}`;
  return {
    url,
    calls,
    logins,
    cloudsYaml: (more = "") =>
      [
        "clouds:",
        "  scripted:",
        `    auth: {auth_url: "${url}", username: robot, password: hunter2secret, project_name: ci}`,
        "    region_name: here",
        more,
      ].join("\n"),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function token(
  url: string,
  number: number,
  { tokenLife = 3600, without = [] }: ScriptOptions,
): ScriptedAnswer {
  const issued = Date.parse("2026-01-01T00:00:00Z");
  const catalog = Object.entries(PREFIXES)
    .filter(([type]) => !without.includes(type))
    .map(([type, prefix]) => ({
      type,
      name: type,
      endpoints: [{ interface: "public", region: "here", region_id: "here", url: `${url}${prefix}` }],
    }));
  const body = {
    token: {
      issued_at: new Date(issued).toISOString(),
      expires_at: new Date(issued + tokenLife * 1000).toISOString(),
      project: { id: "project-1", name: "ci" },
      catalog,
    },
  };
  return { status: 201, headers: { "x-subject-token": `token-${number}` }, body };
}

function usual({ service, path, method }: ScriptedCall): ScriptedAnswer {
  if (service === "compute" && path === "/") return { status: 200, body: { version: { version: "2.90" } } };
  if (path.startsWith("/limits"))
    return { status: 200, body: { limits: { absolute: { maxTotalInstances: 10 } } } };
  if (path.startsWith("/flavors")) {
    return { status: 200, body: { flavors: [{ id: "f1", name: "small", vcpus: 1, ram: 64 }] } };
  }
  const key = /^\/(\w+)/.exec(path)?.[1] ?? "";
  return method === "DELETE" ? { status: 204 } : { status: 200, body: { [key]: [] } };
}
