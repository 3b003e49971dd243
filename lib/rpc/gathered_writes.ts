// On Deno (2.9.3), HTTP/2 hands each frame to its connection by itself: an answer is three system calls, headers, message
// and trailers, and the client is woken as often. Node.js gathers the frames of a turn of the event loop, below the
// socket. Nothing of gRPC reaches a server's connections, but the runtime tells of each that comes in.
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

const ACCEPTED = "net.server.socket";

/**
 * On Deno, lets the connections that come in at a port write in one piece what they are given in one turn of the event
 * loop. On Node.js, nothing.
 * @returns what ends it, for connections to come
 */
export function gatherWrites(port: number): () => void {
  if (!("Deno" in globalThis)) return () => {};
  const gather = (message: unknown) => {
    const { socket } = message as { readonly socket: Socket };
    if (socket.localPort === port) corkForTurns(socket);
  };
  subscribe(ACCEPTED, gather);
  return () => unsubscribe(ACCEPTED, gather);
}

function corkForTurns(socket: Socket): void {
  const write = socket.write.bind(socket) as (...given: unknown[]) => boolean;
  socket.write = (...given: unknown[]) => {
    if (socket.writableCorked === 0) {
      socket.cork();
      setImmediate(() => socket.uncork());
    }
    return write(...given);
  };
}
