// A server of the API with services of a test's own, and clients of it. What a test opens is closed after the file's tests.
import assert from "node:assert/strict";
import { after } from "node:test";
import type { CallEnd } from "../../lib/rpc/call_limit.ts";
import { type Clients, connectClients } from "../../lib/rpc/client.ts";
import { ClientError } from "../../lib/rpc/client_error.ts";
import { NodeServiceDefinition, type NodeServiceImplementation } from "../../lib/rpc/gen/nodepool/v1/node.ts";
import { createRpcServer, type RpcServer, type RpcServerOptions } from "../../lib/rpc/server.ts";
import { rpcService } from "../../lib/rpc/service.ts";
import { silentLogger } from "../../lib/std/logger.ts";

const unused = async () => ({});

/** A node service whose methods each show one behaviour of the server. */
function testService(
  given: Partial<NodeServiceImplementation<CallEnd>> = {},
): NodeServiceImplementation<CallEnd> {
  return {
    listNodes: async () => ({ nodes: [{ name: "nodes/0000000001", state: "STATE_READY" }] }),
    getNode: unused,
    watchNodes: async function* () {},
    holdNode: unused,
    releaseNode: unused,
    getConsoleLog: unused,
    deleteNode: unused,
    ...given,
  };
}

/** What is done after the last test of the file, the last first. */
export const cleanups: (() => unknown)[] = [];
after(async () => {
  for (const clean of cleanups.reverse()) await clean();
});

/** Serves these methods of a node service. */
export async function serve(
  implementation: Partial<NodeServiceImplementation<CallEnd>> = {},
  options: Partial<RpcServerOptions> = {},
): Promise<{ server: RpcServer; clients: Clients; address: string }> {
  const server = createRpcServer({
    services: [rpcService(NodeServiceDefinition, testService(implementation))],
    logger: silentLogger,
    ...options,
  });
  const port = await server.listen("127.0.0.1:0");
  const address = `127.0.0.1:${port}`;
  const clients = connectClients({ launcherAddress: address, builderAddress: address });
  cleanups.push(
    () => server.stop(0),
    () => clients.close(),
  );
  return { server, clients, address };
}

/** The error that a call ends with. */
export const caught = async (promise: Promise<unknown>): Promise<ClientError> => {
  const error = await promise.then(
    () => assert.fail("the call succeeded"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ClientError, String(error));
  return error;
};
