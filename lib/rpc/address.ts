// Where a server listens and a client connects: HOST:PORT, [IPv6]:PORT or unix:/PATH.
import { existsSync, statSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { codeOf, messageOf } from "../std/errors.ts";

/** An address that cannot be used, in one sentence for people. */
export class AddressError extends Error {
  override name = "AddressError";
}

const HOST_PORT = /^(\[[0-9A-Fa-f:.%\w]+\]|[^\s:/[\]]+):(\d{1,5})$/;

/** Checks an address and returns it as gRPC takes it. @throws {AddressError} */
export function parseAddress(text: string): string {
  const path = unixPath(text);
  if (path !== null) {
    if (path.length > 0 && path.length <= 100) return `unix:${path}`;
    throw new AddressError(`'${text}' is no address: the path of a unix socket has 1 to 100 characters`);
  }
  const [, host, port] = HOST_PORT.exec(text.trim()) ?? [];
  if (host === undefined || Number(port) > 65535) {
    throw new AddressError(
      `'${text}' is no address: expected HOST:PORT, [IPv6]:PORT or unix:/PATH, as 127.0.0.1:8990`,
    );
  }
  return `${host}:${port}`;
}

/** The path of a unix socket address (`unix:/a`, `unix:///a`), or null when it is another kind. */
export function unixPath(text: string): string | null {
  if (!text.startsWith("unix:")) return null;
  return text.slice("unix:".length).replace(/^\/\/(?=\/)/, "");
}

/** The sentence for an address that could not be listened on. */
export function listenError(address: string, error: unknown): AddressError {
  const message = messageOf(error);
  const reason = listenReason(address, codeOf(error) ?? "", message);
  return new AddressError(`cannot listen on ${address}: ${reason}`);
}

function listenReason(address: string, code: string, message: string): string {
  const is = (name: string) => code === name || message.includes(name);
  const path = unixPath(address);
  // Node says EACCES then, Deno ENOENT.
  if (path !== null && !existsSync(dirname(path))) {
    return "the socket's folder does not exist: create it or choose another path";
  }
  if (is("EADDRINUSE")) return `another process is listening there: stop it or choose another address`;
  if (is("EACCES") && path === null) {
    return "permission denied: ports below 1024 need root; choose another port";
  }
  if (is("EACCES")) return "permission denied: the socket's folder is not writable";
  // Deno says EINVAL.
  if (is("EADDRNOTAVAIL") || is("EINVAL")) return "this machine has no such address";
  if (is("ENOTFOUND") || is("Name resolution failed")) return "the host name is unknown";
  return message;
}

/**
 * Removes the socket file of a server that is gone, so that a new one can listen; leaves a living one's alone.
 *
 * @throws {Error} when something else is there
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  // Nobody answers at a file or folder either, and it is not ours to remove.
  if (!found.isSocket()) throw new Error("what is there is no socket: choose another path");
  const refused = await new Promise<boolean>((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", (error) => resolve(codeOf(error) === "ECONNREFUSED"));
  });
  if (refused) unlinkSync(path);
}
