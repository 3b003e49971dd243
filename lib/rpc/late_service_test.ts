import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../std/logger.ts";
import { connectClients } from "./client.ts";
import { NodeServiceDefinition } from "./gen/nodepool/v1/node.ts";
import { type LateServices, lateServices } from "./late_service.ts";
import { createRpcServer } from "./server.ts";
import { type RpcService, rpcService } from "./service.ts";

test("a late service says why it cannot answer yet, then answers", async () => {
  const late = lateServices([NodeServiceDefinition], () => "waiting for ZooKeeper");
  const server = createRpcServer({ services: late.services, logger: silentLogger });
  const address = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  const clients = connectClients({ launcherAddress: address, builderAddress: address });
  const watchOnce = async () => {
    for await (const { resumeToken } of clients.nodes.watchNodes({})) return resumeToken;
  };
  try {
    await assert.rejects(clients.nodes.holdNode({}), /^ClientError: waiting for ZooKeeper$/);
    await assert.rejects(watchOnce(), /waiting for ZooKeeper/);
    const unused = async () => ({});
    late.bind([
      rpcService(NodeServiceDefinition, {
        listNodes: async () => ({ nextPageToken: "here" }),
        watchNodes: async function* () {
          yield { resumeToken: "token" };
        },
        getNode: unused,
        holdNode: unused,
        releaseNode: unused,
        getConsoleLog: unused,
        deleteNode: unused,
      }),
    ]);
    assert.equal((await clients.nodes.listNodes({})).nextPageToken, "here");
    assert.equal(await watchOnce(), "token");
  } finally {
    clients.close();
    await server.stop(1000);
  }
});

test("calls wait for a late service as long as its patience lasts", async () => {
  const { promise: patience, resolve: loseIt } = Promise.withResolvers<void>();
  const definition = NodeServiceDefinition;
  const opened = lateServices([definition], () => "waiting for ZooKeeper", patience);
  const stuck = lateServices([definition], () => "waiting for ZooKeeper", patience);
  const [first, second] = [methodsOf(opened), methodsOf(stuck)];
  const answers = [first.getNode(), first.watchNodes().next()] as const;
  const refusals = [second.getNode(), second.watchNodes().next()] as const;
  const getNode = async () => "a node";
  const watchNodes = async function* () {
    yield "a change";
  };
  opened.bind([{ definition, implementation: { getNode, watchNodes } } as unknown as RpcService]);
  assert.deepEqual(await Promise.all(answers), ["a node", { value: "a change", done: false }]);
  loseIt();
  await Promise.all(refusals.map((refusal) => assert.rejects(refusal, /waiting for ZooKeeper/)));
});

function methodsOf({ services }: LateServices) {
  return services[0]?.implementation as unknown as {
    getNode(): Promise<unknown>;
    watchNodes(): AsyncGenerator<unknown>;
  };
}

test("binding without one of the services is refused", () => {
  const late = lateServices([NodeServiceDefinition], () => "");
  assert.throws(() => late.bind([]), /offers no nodepool\.v1\.NodeService/);
});
