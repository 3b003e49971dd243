// The Python example as its reader runs it, against a server that plays the launcher's part.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ServerError, Status } from "nice-grpc";
import { invalidArgument, unavailable } from "../../lib/rpc/errors.ts";
import { Node, Node_State } from "../../lib/rpc/gen/nodepool/v1/node.ts";
import {
  NodeRequest,
  NodeRequest_State,
  RequestServiceDefinition,
  type RequestServiceImplementation,
  type WatchRequestResponse,
} from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { createRpcServer, type RpcServer } from "../../lib/rpc/server.ts";
import { rpcService } from "../../lib/rpc/service.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { PROJECT, runCommand } from "../harness/program.ts";

const EXAMPLE = "examples/request_node.py";

const NODE = Node.fromPartial({
  name: "nodes/0000000007",
  state: Node_State.STATE_IN_USE,
  interfaceIp: "127.0.0.1",
  connectionPort: 2207,
  username: "zuul",
});

const notCalled = () => Promise.reject(new Error("the example does not call this"));

/** A launcher's part: most labels are served, one is refused at once, one fails after a while, some calls break once. */
class Launcher {
  readonly watched: string[] = [];
  /** Hears of each watch that begins. */
  onWatch: () => void = () => {};
  readonly released: string[] = [];
  readonly requestIds: string[] = [];

  readonly implementation: RequestServiceImplementation = {
    listRequests: notCalled,
    getRequest: notCalled,
    renewRequest: notCalled,
    updateRequest: notCalled,
    explain: notCalled,
    createRequest: async ({ request, requestId }) => {
      const [label = ""] = request?.labels ?? [];
      if (label === "unknown") throw invalidArgument("request.labels", "there is no label 'unknown'");
      this.requestIds.push(requestId ?? "");
      if (label === "lost" && this.requestIds.filter((id) => id === requestId).length === 1) {
        throw unavailable("DRAINING", "going");
      }
      return { request: NodeRequest.fromPartial({ name: `nodeRequests/200-${label}` }) };
    },
    watchRequest: (request) => this.#events(request.name ?? ""),
    releaseRequest: async ({ name }) => {
      this.released.push(name ?? "");
      const isFirst = this.released.filter((one) => one === name).length === 1;
      if (name?.endsWith("restarted") && isFirst) throw unavailable("DRAINING", "going");
      if (name?.endsWith("kept")) throw invalidArgument("name", "not today");
      return {};
    },
  };

  async *#events(name: string): AsyncGenerator<WatchRequestResponse> {
    const status = (state: NodeRequest_State, nodes: Node[], reason = ""): WatchRequestResponse => ({
      event: {
        $case: "status",
        value: { request: NodeRequest.fromPartial({ name, state, reason }), nodes },
      },
    });
    this.watched.push(name);
    this.onWatch();
    yield status(NodeRequest_State.STATE_PENDING, []);
    yield name.endsWith("broken")
      ? status(NodeRequest_State.STATE_FAILED, [], "every pool declined")
      : status(NodeRequest_State.STATE_FULFILLED, [NODE]);
    if (this.watched.filter((one) => one === name).length === 1) {
      if (name.endsWith("cut")) throw unavailable("DRAINING", "going");
      if (name.endsWith("dropped"))
        throw new ServerError(Status.CANCELLED, "the proxy has lost the launcher");
    }
    yield { event: { $case: "bookmark", value: { synced: false } } };
  }
}

/** Python reads it before the example: what protobuf 6.30 has in place of what Debian's has. */
const NEWER_PROTOBUF = `
from google.protobuf import message_factory, symbol_database
if not hasattr(message_factory, "GetMessageClass"):
    factory = message_factory.MessageFactory
    message_factory.GetMessageClass = lambda descriptor: factory(descriptor.file.pool).GetPrototype(descriptor)
    del message_factory.MessageFactory
`;

const importable = await runCommand("/usr/bin/python3", ["-c", "import grpc, google.protobuf"]).then(
  ({ code }) => code === 0,
  () => false,
);
const skip = importable ? false : "python3-grpcio is not installed";

describe("examples/request_node.py", { skip }, () => {
  const launcher = new Launcher();
  let server: RpcServer;
  let port: number;

  before(async () => {
    const service = rpcService(RequestServiceDefinition, launcher.implementation);
    server = createRpcServer({ services: [service], logger: silentLogger });
    port = await server.listen("127.0.0.1:0");
    server.setServing(true);
  });

  after(() => server.stop(1000));

  const environment = () => ({ env: { NODEPOOL_LAUNCHER_ADDRESS: `127.0.0.1:${port}` } });
  const run = (...args: string[]) => runCommand(EXAMPLE, args, environment());

  it("runs the command with the node's address, and ends with the command's exit code", async () => {
    const command = 'echo "$NODE_ID $NODE_USER@$NODE_HOST:$NODE_PORT"; exit 3';
    const { code, stdout, stderr } = await run("tiny", "--", "sh", "-c", command);
    assert.equal(stdout, "0000000007 zuul@127.0.0.1:2207\n", stderr);
    assert.equal(code, 3);
  });

  it("gives the node back when the command has ended", async () => {
    await run("other", "--", "true");
    assert.ok(launcher.released.includes("nodeRequests/200-other"));
  });

  it("gives the node back once its launcher is there again, and ends with the command's exit code", async () => {
    const { code, stderr } = await run("restarted", "--", "sh", "-c", "exit 3");
    assert.equal(code, 3, stderr);
    const released = launcher.released.filter((name) => name === "nodeRequests/200-restarted");
    assert.equal(released.length, 2);
  });

  it("ends with the command's exit code when the node cannot be given back, and says so", async () => {
    const { code, stderr } = await run("kept", "--", "sh", "-c", "exit 3");
    assert.equal(code, 3, stderr);
    assert.match(stderr, /nodeRequests\/200-kept was not given back: INVALID_ARGUMENT: name: not today/);
  });

  for (const [label, event] of [
    ["cut", "its launcher goes away"],
    ["dropped", "a proxy loses its launcher"],
  ] as const) {
    it(`keeps the node when ${event}, by watching the request anew`, async () => {
      const folder = mkdtempSync(join(tmpdir(), "nodepool-watched-"));
      const watched = () => launcher.watched.filter((name) => name === `nodeRequests/200-${label}`);
      launcher.onWatch = () => {
        if (watched().length === 2) writeFileSync(join(folder, "anew"), "");
      };
      try {
        // It works until then: who has ended watches nothing any more.
        const command = `for _ in $(seq 300); do test -e ${folder}/anew && exit; sleep 0.1; done; exit 1`;
        const { code, stderr } = await run(label, "--", "sh", "-c", command);
        assert.equal(code, 0, stderr);
        assert.equal(watched().length, 2);
      } finally {
        launcher.onWatch = () => {};
        rmSync(folder, { recursive: true });
      }
    });
  }

  it("names each request by a UUID of its own", () => {
    for (const id of launcher.requestIds) assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.equal(new Set(launcher.requestIds).size, launcher.requestIds.length);
  });

  it("repeats the request by the same UUID when the answer is lost", async () => {
    const before = launcher.requestIds.length;
    const { code, stderr } = await run("lost", "--", "true");
    assert.equal(code, 0, stderr);
    const [first, second] = launcher.requestIds.slice(before);
    assert.equal(second, first);
  });

  it("runs in the installed package, which has the descriptors below dist", async () => {
    const root = mkdtempSync(join(tmpdir(), "nodepool-package-"));
    try {
      const [example, descriptors] = [EXAMPLE, "lib/rpc/gen/nodepool.binpb"];
      cpSync(join(PROJECT, example), join(root, example));
      cpSync(join(PROJECT, descriptors), join(root, "dist", descriptors));
      const { code, stderr } = await runCommand(join(root, example), ["tiny", "--", "true"], environment());
      assert.equal(code, 0, stderr);
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it("runs with a protobuf that makes classes by GetMessageClass, as 6.30 does", async () => {
    const folder = mkdtempSync(join(tmpdir(), "nodepool-protobuf-"));
    try {
      writeFileSync(join(folder, "sitecustomize.py"), NEWER_PROTOBUF);
      const { NODEPOOL_LAUNCHER_ADDRESS } = environment().env;
      const env = { NODEPOOL_LAUNCHER_ADDRESS, PYTHONPATH: folder };
      const { code, stderr } = await runCommand(EXAMPLE, ["tiny", "--", "true"], { env });
      assert.equal(code, 0, stderr);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("says why when the request fails", async () => {
    const { code, stderr } = await run("broken", "--", "true");
    assert.equal(code, 1);
    assert.match(stderr, /no node: every pool declined/);
  });

  it("says why when the request is refused", async () => {
    const { code, stderr } = await run("unknown", "--", "true");
    assert.equal(code, 1);
    assert.match(stderr, /INVALID_ARGUMENT: request\.labels: there is no label 'unknown'/);
  });
});
