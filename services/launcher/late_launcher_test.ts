// Launchers on a real ZooKeeper that learn late that a node is not theirs any more, or what others have done: nothing
// happens at the cloud that others would suffer from.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { encodeNode, newNode } from "../../lib/model/node.ts";
import {
  CLAIMS,
  claimScopePath,
  NODES,
  nodeLockPath,
  nodePath,
  REQUESTS,
  ROOT,
  requestLockPath,
  requestPath,
} from "../../lib/model/paths.ts";
import { decodeRequest, encodeRequest, newRequest } from "../../lib/model/request.ts";
import { METADATA } from "../../lib/provider/contract.ts";
import { NodeRequest } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { createLocks } from "../../lib/zookeeper/locks.ts";
import { catchUp } from "../../lib/zookeeper/settle.ts";
import { FakeProvider } from "../../test/harness/fake_provider.ts";
import { startTestLauncher, type TestLauncher, until } from "../../test/harness/launcher.ts";
import {
  ask,
  askAsZuul,
  callContext,
  fulfilled,
  idOf,
  type LauncherCase,
  look,
  simple,
  untilStates,
} from "../../test/harness/launcher_case.ts";
import { leapingClock } from "../../test/harness/leaping_clock.ts";
import { launcherCases } from "../../test/harness/suites.ts";
import { TcpProxy } from "../../test/harness/tcp_proxy.ts";
import { tenantScope } from "./request/chains.ts";
import { withLease } from "./request/own_data.ts";

const KEYS = ["ssh-ed25519 AAAA"];

describe("a launcher that is late", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  it("removes what an attempt has left that was over before, and launches anew", async () => {
    one = await cases.begin("cloud");
    const driver = new FakeProvider("cloud");
    const { cloud } = driver;
    const session = await one.session();
    for (const path of [NODES, REQUESTS]) await session.ensurePath(path);
    const now = Date.now() / 1000;
    const request = "200-0000000777";
    const node = "0000000000";
    const failed = cloud.add(`np${node}`, {
      [METADATA.provider]: "cloud",
      [METADATA.node]: node,
      [METADATA.launchToken]: `${node}-${Math.round(now * 1000)}-1`,
    });
    const record = newNode(now, {
      ...{ provider: "cloud", pool: "main", type: ["small"], launcher: "gone", allocatedTo: request },
      ...{ state: "building", imageId: "image-at-cloud", externalId: failed.externalId },
      driverData: { launch_attempt: 1, launch_attempt_over: true },
    });
    const wish = newRequest(now, { nodeTypes: ["small"], requestor: "zuul", state: "pending" });
    await session.multi([
      { kind: "create", path: requestPath(request), data: encodeRequest(wish), mode: "persistent" },
      { kind: "create", path: `${NODES}/`, data: encodeNode(record), mode: "persistent-sequential" },
    ]);
    const launcher = await one.launcher(simple(driver));
    await untilStates(launcher, "ready");
    const [instance, ...others] = cloud.instances.values();
    assert.deepEqual(others, []);
    assert.equal(instance?.metadata[METADATA.launchToken], `${node}-${Math.round(now * 1000)}-2`);
    assert.equal(launcher.view.node(node)?.record?.externalId, instance?.externalId);
  });

  it("neither deletes nor accuses the machine of a node that it has lost when it finds nobody there", async () => {
    one = await cases.begin("cloud");
    const driver = new FakeProvider("cloud");
    const accused: string[] = [];
    const provider = Object.assign(driver, {
      noteUnreachable: async (id: string) => void accused.push(id),
    });
    const session = await one.session();
    let scans = 0;
    const launcher = await one.launcher(simple(provider), {
      scanHostKeys: async () => {
        scans += 1;
        if (scans > 1) return KEYS;
        // As the end of its session does it.
        const [node] = await session.children(NODES);
        const root = nodeLockPath(node ?? "");
        for (const name of await session.children(root)) await session.delete(`${root}/${name}`, -1);
        throw new Error("nobody answers");
      },
    });
    await fulfilled(launcher, await ask(launcher, ["small"]));
    assert.deepEqual(accused, []);
    assert.deepEqual(driver.calls, ["create np0000000000", "create np0000000000"]);
    assert.equal(driver.cloud.made.length, 1);
  });

  it("goes on anew with a launch whose session ended while the last attempt's console was read", async () => {
    one = await cases.begin("cloud");
    const driver = new FakeProvider("cloud");
    const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<string>()];
    const consoleLog = async () => {
      reached.resolve();
      return await gate.promise;
    };
    let scans = 0;
    const setting = simple(Object.assign(driver, { consoleLog }), { consoleLog: true, launchRetries: 1 });
    const launcher = await one.launcher(setting, {
      scanHostKeys: async () => {
        scans += 1;
        if (scans > 1) return KEYS;
        throw new Error("nobody answers");
      },
    });
    const name = await ask(launcher, ["small"]);
    await reached.promise;
    const { signal } = launcher.session;
    await cases.server.expire(launcher.session);
    await until("it hears of that", () => signal.aborted);
    gate.resolve("login:");
    await fulfilled(launcher, name);
    assert.equal(driver.cloud.made.length, 1);
  });

  it("finds the request that another has made with the caller's id and that it has not heard of yet", async () => {
    one = await cases.begin("cloud");
    const { cloud } = new FakeProvider("cloud");
    const here = await one.launcher(simple(new FakeProvider("cloud", cloud)));
    const late = await one.launcher(simple(new FakeProvider("cloud", cloud)), { slowWire: true });
    const requestId = randomUUID();
    const made = await ask(here, ["small"], { requestId });
    assert.equal(await ask(late, ["small"], { requestId }), made);
    assert.equal([...late.view.requests()].length, 1);
  });

  it("makes one request for a caller who asks two launchers at the same time", async () => {
    one = await cases.begin("cloud");
    const { cloud } = new FakeProvider("cloud");
    const both = await Promise.all([
      one.launcher(simple(new FakeProvider("cloud", cloud))),
      one.launcher(simple(new FakeProvider("cloud", cloud)), { slowWire: true }),
    ]);
    const requestId = randomUUID();
    const [made, same] = await Promise.all(both.map((launcher) => ask(launcher, ["small"], { requestId })));
    assert.equal(made, same);
    const session = await one.session();
    assert.deepEqual(
      (await session.children(REQUESTS)).map((id) => `nodeRequests/${id}`),
      [made],
    );
  });

  /** A launcher with a ready node that is held up, until `goOn`, while it gives that to a request of a tenant. */
  async function heldUp(askFor: (launcher: TestLauncher) => Promise<string>) {
    one = await cases.begin("cloud");
    const setting = simple(new FakeProvider("cloud"), { minReady: 1 });
    const launcher = await one.launcher({ ...setting, tenants: { acme: { instances: 5 } } });
    await untilStates(launcher, "ready");
    const [ready] = launcher.view.nodes();
    assert.ok(ready?.record);
    const session = await one.session();
    const { ensurePath } = launcher.session;
    const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    launcher.session.ensurePath = async (path) => {
      if (path === CLAIMS) reached.resolve();
      if (path === CLAIMS) await gate.promise;
      await ensurePath.call(launcher.session, path);
    };
    await session.deleteRecursive(claimScopePath(tenantScope("acme")));
    await catchUp(launcher, ROOT);
    const request = idOf(await askFor(launcher));
    await reached.promise;
    const goOn = async () => {
      await catchUp(launcher, ROOT);
      gate.resolve();
      const state = () => launcher.view.request(request)?.record?.state;
      await until("the late one is served", () => state() === "fulfilled");
      return launcher.view.request(request)?.record?.nodes;
    };
    return { launcher, session, request, ready: { ...ready, record: ready.record }, goOn };
  }

  const asTenant = (launcher: TestLauncher) =>
    askAsZuul(launcher, { nodeTypes: ["small"], tenantName: "acme" });

  it("gives away no node that another has given away while it made anew what its claim needs", async () => {
    const { launcher, session, ready, goOn } = await heldUp(asTenant);
    const other = await askAsZuul(launcher, { nodeTypes: ["small"], state: "fulfilled", nodes: [ready.id] });
    const given = { ...ready.record, allocatedTo: other };
    await session.set(nodePath(ready.id), encodeNode(given), ready.version);
    assert.notDeepEqual(await goOn(), [ready.id]);
    assert.equal(launcher.view.node(ready.id)?.record?.allocatedTo, other);
  });

  it("gives away no node that another has locked meanwhile, neither as Zuul's nor with a lease", async () => {
    for (const askFor of [asTenant, (at: TestLauncher) => ask(at, ["small"], { tenant: "acme" })]) {
      const { launcher, session, ready, goOn } = await heldUp(askFor);
      const lock = await createLocks(session).acquire(nodeLockPath(ready.id), { timeout: 5000 });
      assert.notDeepEqual(await goOn(), [ready.id]);
      assert.equal(launcher.view.node(ready.id)?.record?.state, "ready");
      await lock?.release();
    }
  });

  it("gives a request nothing that another has locked meanwhile, until it is given back", async () => {
    const { launcher, session, request, goOn } = await heldUp(asTenant);
    const lock = await createLocks(session).acquire(requestLockPath(request), { timeout: 5000 });
    const { multi } = launcher.session;
    const refused = Promise.withResolvers<void>();
    launcher.session.multi = async (operations) => {
      return await multi.call(launcher.session, operations).catch((error: unknown) => {
        refused.resolve();
        throw error;
      });
    };
    const served = goOn();
    await refused.promise;
    assert.equal(launcher.view.request(request)?.record?.state, "requested");
    await lock?.release();
    assert.equal((await served)?.length, 1);
  });

  it("serves a request that was put back while a launch for it was being let go", async () => {
    one = await cases.begin("cloud");
    const session = await one.session();
    for (const path of [NODES, REQUESTS]) await session.ensurePath(path);
    const tenantName = "acme";
    const request = "200-0000000777";
    const now = Date.now() / 1000;
    const wish = newRequest(now, { nodeTypes: ["small"], requestor: "zuul", tenantName });
    const left = newNode(now, {
      ...{ provider: "cloud", pool: "main", type: ["small"], launcher: "gone", state: "building" },
      ...{ allocatedTo: request, tenantName },
    });
    await session.multi([
      { kind: "create", path: requestPath(request), data: encodeRequest(wish), mode: "persistent" },
      { kind: "create", path: `${NODES}/`, data: encodeNode(left), mode: "persistent-sequential" },
    ]);
    const setting = simple(new FakeProvider("cloud"));
    const launcher = await one.launcher({ ...setting, tenants: { acme: { instances: 1 } } });
    await until("it is served", () => launcher.view.request(request)?.record?.state === "fulfilled");
  });

  it("serves a request anew whose launcher and pool are gone, and leaves alone what somebody has locked of it", async () => {
    one = await cases.begin("cloud");
    const session = await one.session();
    for (const path of [NODES, REQUESTS]) await session.ensurePath(path);
    const request = "200-0000000777";
    const now = Date.now() / 1000;
    const wish = newRequest(now, { nodeTypes: ["small"], requestor: "zuul", state: "pending" });
    await session.create(requestPath(request), encodeRequest(wish), "persistent");
    for (const state of ["ready", "init", "building"] as const) {
      const left = newNode(now, {
        ...{ provider: "cloud", pool: "old", type: ["small"], launcher: "gone", state },
        ...{ allocatedTo: request, tenantName: "acme" },
      });
      await session.create(`${NODES}/`, encodeNode(left), "persistent-sequential");
    }
    const [ready = "", init = "", building = ""] = (await session.children(NODES)).sort();
    const lock = await createLocks(session).acquire(nodeLockPath(building), { timeout: 5000 });
    const launcher = await one.launcher(simple(new FakeProvider("cloud")));
    await until("it is served", () => launcher.view.request(request)?.record?.state === "fulfilled");
    assert.ok(!launcher.view.request(request)?.record?.nodes.includes(ready));
    await until("what was never launched is gone", () => launcher.view.node(init) === undefined);
    const [free, locked] = [ready, building].map((id) => launcher.view.node(id)?.record);
    assert.deepEqual([free?.state, free?.allocatedTo, free?.tenantName], ["ready", null, null]);
    assert.deepEqual([locked?.state, locked?.allocatedTo], ["building", request]);
    await lock?.release();
  });

  it("ends no lease that was renewed elsewhere at that moment", async () => {
    one = await cases.begin("cloud");
    const clock = leapingClock();
    const launcher = await one.launcher(simple(new FakeProvider("cloud")), { clock });
    const name = await ask(launcher, ["small"], { leaseSeconds: 60 });
    const path = requestPath(idOf(name));
    await fulfilled(launcher, name);
    const session = await one.session();
    const { multi } = launcher.session;
    const refused = Promise.withResolvers<void>();
    launcher.session.multi = async (operations) => {
      const ends = operations.some((step) => step.kind === "delete" && step.path === path);
      if (!ends) return await multi.call(launcher.session, operations);
      launcher.session.multi = multi;
      const { data, version } = await session.get(path).then(({ data, stat }) => ({ data, ...stat }));
      const lease = { duration: 60, expires: clock.now() / 1000 + 60 };
      await session.set(path, encodeRequest(withLease(decodeRequest(data), lease)), version);
      try {
        return await multi.call(launcher.session, operations);
      } finally {
        refused.resolve();
      }
    };
    clock.leap(60_000);
    await refused.promise;
    await fulfilled(launcher, await ask(launcher, ["small"]));
    const { nodes } = await look(launcher, name);
    assert.deepEqual(
      nodes.map(({ state }) => state),
      ["STATE_IN_USE"],
    );
  });

  it("makes no request for a caller who has given up", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud")));
    const request = NodeRequest.fromPartial({ labels: ["small"], requestor: "tester" });
    const wish = { request, requestId: randomUUID(), leaseDuration: undefined, waitDuration: undefined };
    const gone = { ...callContext, signal: AbortSignal.abort() };
    await assert.rejects(async () => await launcher.requests.createRequest(wish, gone), {
      name: "AbortError",
    });
    await catchUp(launcher, ROOT);
    assert.equal([...launcher.view.requests()].length, 0);
  });

  it("takes no instance for leaked that another has launched since its connection fell silent", async () => {
    one = await cases.begin("cloud");
    const { cloud } = new FakeProvider("cloud");
    const proxy = new TcpProxy(cases.server);
    await proxy.listen();
    const silent = await startTestLauncher(proxy, simple(new FakeProvider("cloud", cloud)), {
      chroot: one.chroot,
      cleanupIntervalMs: 20,
    });
    try {
      const other = await one.launcher(simple(new FakeProvider("cloud", cloud)));
      await until("it knows the other one", () => [...silent.view.pools()].length === 2);
      await catchUp(silent, NODES);
      proxy.mode = "silent";
      await fulfilled(other, await ask(other, ["small"]));
      await until("it has found out", () => !silent.view.current);
      assert.deepEqual(cloud.calls, ["create np0000000000"]);
    } finally {
      proxy.mode = "pass";
      await silent.stop();
      await proxy.close();
    }
  });
});
