// A launcher on a real ZooKeeper ends requests that others have left or fulfilled, and lets go of those that are gone.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeNode, type NodeRecord, newNode } from "../../../lib/model/node.ts";
import { NODES, nodeLockPath, REQUESTS, requestLockPath, requestPath } from "../../../lib/model/paths.ts";
import {
  encodeRequest,
  MIN_READY_REQUESTOR,
  newRequest,
  type RequestRecord,
} from "../../../lib/model/request.ts";
import { createLocks } from "../../../lib/zookeeper/locks.ts";
import { ZooKeeperError } from "../../../lib/zookeeper/types.ts";
import { FakeProvider } from "../../../test/harness/fake_provider.ts";
import { until } from "../../../test/harness/launcher.ts";
import { askAsZuul, simple, untilStates } from "../../../test/harness/launcher_case.ts";
import { launcherCases } from "../../../test/harness/suites.ts";
import { encodeOwnData } from "./own_data.ts";

describe("a request for min-ready that another launcher has fulfilled", () => {
  const cases = launcherCases();

  it("goes with its lock and frees its nodes at once, but for those that are somebody's", async () => {
    const one = await cases.begin("cloud");
    const session = await one.session();
    for (const path of [NODES, REQUESTS]) await session.ensurePath(path);
    const now = Date.now() / 1000;
    const [request, other] = ["900-0000000777", "200-0000000888"];
    const addNode = async (more: Partial<NodeRecord>) => {
      const place = { provider: "cloud", pool: "main", type: ["small"], launcher: "another" };
      const node = newNode(now, { ...place, state: "ready", allocatedTo: request, ...more });
      const path = await session.create(`${NODES}/`, encodeNode(node), "persistent-sequential");
      return path.slice(NODES.length + 1);
    };
    const addRequest = (id: string, more: Partial<RequestRecord>) => {
      const fulfilled = newRequest(now, { nodeTypes: ["small"], state: "fulfilled", ...more });
      return session.create(requestPath(id), encodeRequest(fulfilled), "persistent");
    };
    const free = await addNode({});
    const held = await addNode({ state: "hold" });
    const given = await addNode({ allocatedTo: other });
    const locked = await addNode({});
    await createLocks(session).acquire(nodeLockPath(locked));
    await session.ensurePath(requestLockPath(request));
    await addRequest(other, { nodes: [given] });
    const own = { requestor: MIN_READY_REQUESTOR, requestorData: encodeOwnData({ minReady: true }) };
    await addRequest(request, { ...own, nodes: [free, held, given, locked, "0000000999"] });

    const steps: string[] = [];
    const checkpoint = (step: string) => void steps.push(step);
    const launcher = await one.launcher(simple(new FakeProvider("cloud")), { checkpoint });
    const ownerOf = (id: string) => launcher.view.node(id)?.record?.allocatedTo;
    await until("the node is free", () => ownerOf(free) === null);
    await until("the request is gone", () => launcher.view.request(request) === undefined);
    assert.equal(await session.exists(requestLockPath(request)), null);
    assert.deepEqual([held, given, locked].map(ownerOf), [request, other, request]);
    assert.ok(!steps.includes("node.free:before"), "it is not freed later as one that somebody has left");
  });
});

describe("the lock of a request that is withdrawn while a launcher works on it", () => {
  const cases = launcherCases();

  /** A launcher that works on a request, the steps that it takes, and what lets the launch end. */
  async function working() {
    const one = await cases.begin("cloud");
    const driver = new FakeProvider("cloud");
    const gate = Promise.withResolvers<void>();
    driver.weather.gate = gate.promise;
    const steps: string[] = [];
    const checkpoint = (step: string) => void steps.push(step);
    const launcher = await one.launcher(simple(driver), { checkpoint });
    const request = await askAsZuul(launcher, { nodeTypes: ["small"] });
    await untilStates(launcher, "building");
    const session = await one.session();
    const withdraw = () => session.delete(requestPath(request), -1);
    return { launcher, session, root: requestLockPath(request), withdraw, steps, goOn: gate.resolve };
  }

  it("goes with it, once", async () => {
    const { launcher, session, root, withdraw, steps, goOn } = await working();
    await withdraw();
    await until("it is gone", async () => (await session.exists(root)) === null);
    goOn();
    await untilStates(launcher, "ready");
    assert.equal(steps.filter((step) => step === "request.drop:before").length, 1);
  });

  it("is given back to whoever stands in its line", async () => {
    const { launcher, session, root, withdraw, goOn } = await working();
    const waiting = createLocks(session).acquire(root, { timeout: 30_000 });
    await until("somebody waits", async () => (await session.children(root)).length === 2);
    await withdraw();
    const lock = await waiting;
    assert.ok(lock !== null);
    goOn();
    await untilStates(launcher, "ready");
    await lock.release();
  });

  it("is given back when ZooKeeper's answer to that is lost", async () => {
    const { launcher, session, root, withdraw, goOn } = await working();
    const { multi } = launcher.session;
    launcher.session.multi = async (operations) => {
      if (!operations.some(({ path }) => path === root))
        return await multi.call(launcher.session, operations);
      launcher.session.multi = multi;
      throw new ZooKeeperError("CONNECTION_LOSS", "the connection broke before the answer", root);
    };
    await withdraw();
    await until("its line is empty", async () => (await session.children(root)).length === 0);
    goOn();
    await untilStates(launcher, "ready");
  });
});
