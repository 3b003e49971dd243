// The launcher on a real ZooKeeper with a provider in memory: requests and min-ready.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Status } from "nice-grpc-common";
import { NODES, requestPath } from "../../lib/model/paths.ts";
import { FakeProvider } from "../../test/harness/fake_provider.ts";
import { configOf, until } from "../../test/harness/launcher.ts";
import {
  ask,
  callContext,
  fulfilled,
  idOf,
  type LauncherCase,
  look,
  release,
  simple,
  statesOf,
  untilStates,
} from "../../test/harness/launcher_case.ts";
import { leapingClock } from "../../test/harness/leaping_clock.ts";
import { launcherCases } from "../../test/harness/suites.ts";
import { ownDataOf } from "./request/own_data.ts";

describe("launcher: requests", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  it("keeps min-ready nodes and replaces one that is taken", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(simple(cloud, { minReady: 2 }));
    await untilStates(launcher, "ready", "ready");
    assert.equal([...launcher.view.requests()].length, 0, "no min-ready request stays behind");
    const [node] = await fulfilled(launcher, await ask(launcher, ["small"]));
    assert.equal(node?.state, "STATE_IN_USE");
    assert.equal(node.locked, true);
    assert.deepEqual(node.hostKeys, ["ssh-ed25519 AAAA"]);
    await untilStates(launcher, "in-use", "ready", "ready");
  });

  it("launches on demand, and deletes the node when the request is released", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(simple(cloud));
    const name = await ask(launcher, ["small"]);
    const [node] = await fulfilled(launcher, name);
    assert.equal(node?.allocatedTo, name);
    assert.equal(node.username, "zuul");
    assert.equal(node.connectionPort, 22_001);
    assert.equal(node.attributes.engine, "fake");
    await release(launcher, name);
    await release(launcher, name);
    await untilStates(launcher);
    assert.equal(cloud.instances.size, 0);
  });

  it("says of a plan that it cannot be made without a connection to ZooKeeper", async () => {
    one = await cases.begin("cloud");
    const setting = simple(new FakeProvider("cloud"));
    const launcher = await one.launcher(setting);
    await launcher.view.close();
    assert.throws(() => launcher.service.plan?.(configOf(setting)), {
      code: Status.UNAVAILABLE,
      message: /the connection to ZooKeeper is gone/,
    });
  });

  it("needs 7 transactions for the life of a node on demand", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud")));
    const live = async () => {
      const name = await ask(launcher, ["small"]);
      await fulfilled(launcher, name);
      await release(launcher, name);
      await untilStates(launcher);
    };
    const spent: number[] = [];
    for (let life = 0; life < 5; life += 1) spent.push(await one.transactionsOf(live));
    // The server may still be ending sessions of earlier cases during the first life.
    assert.deepEqual(spent.slice(1), [7, 7, 7, 7]);
  });

  it("needs 2 transactions to hand out a node that is ready", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud"), { minReady: 1 }));
    await untilStates(launcher, "ready");
    await until("quiet", () => [...launcher.view.requests()].length === 0);
    const session = await one.session();
    const mark = await session.create("/mark", new Uint8Array(), "persistent");
    const before = (await session.get(mark)).stat.czxid;
    const name = await ask(launcher, ["small"]);
    await fulfilled(launcher, name);
    const { stat } = await session.get(`/nodepool/requests/${name.split("/")[1]}`);
    const spent = Number(stat.mzxid - before);
    assert.equal(spent, 2);
  });

  it("gives the nodes of a request in the order of its labels", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud"), { minReady: 1 }));
    await untilStates(launcher, "ready");
    const labels = ["large", "small", "large", "small"];
    const nodes = await fulfilled(launcher, await ask(launcher, labels));
    assert.deepEqual(
      nodes.map((node) => node.labels[0]),
      labels,
    );
    assert.equal(new Set(nodes.map((node) => node.name)).size, 4);
  });

  it("refuses an unknown label at once and names the known ones", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud")));
    await assert.rejects(ask(launcher, ["nosuch"]), /no label 'nosuch'; known labels: large, small/);
  });

  it("refuses a label whose only pool is switched off, and says so", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud"), { maxServers: 0 }));
    await assert.rejects(
      ask(launcher, ["small"]),
      /no pool offers the label 'small' \(cloud\/main: pool is disabled by max-servers\); labels on offer: none$/,
    );
  });

  it("answers a repeated CreateRequest with the same request", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud")));
    const requestId = "5f0c1a1e-7d7b-4f57-9c3e-2a6f5f1f7a10";
    const [first, second] = await Promise.all([
      ask(launcher, ["small"], { requestId }),
      ask(launcher, ["small"], { requestId }),
    ]);
    assert.equal(first, second);
    assert.equal(await ask(launcher, ["small"], { requestId }), first);
  });

  it("tries a failed launch again, and removes what the failed attempt has left", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    cloud.weather.loseCreateReplies = 1;
    const launcher = await one.launcher(simple(cloud));
    await fulfilled(launcher, await ask(launcher, ["small"]));
    assert.equal(cloud.instances.size, 1);
    assert.deepEqual(
      cloud.calls.map((call) => call.split(" ")[0]),
      ["create", "delete", "create"],
    );
  });

  it("fails a request with the reason when every attempt to launch has failed", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    cloud.weather.failCreates = 10;
    const launcher = await one.launcher(simple(cloud, { launchRetries: 2 }));
    const name = await ask(launcher, ["small"]);
    const { request } = await until("failed", async () => {
      const found = await look(launcher, name);
      return found.request.state === "STATE_FAILED" ? found : null;
    });
    assert.match(request.reason, /cloud\/main: the cloud is out of order/);
    assert.equal(request.declinedBy.length, 1);
    await untilStates(launcher);
    assert.equal(cloud.calls.length, 2);
  });

  it("says with numbers why a request waits for room, and serves it when a node was returned", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud"), { maxServers: 1 }));
    const first = await ask(launcher, ["small"]);
    await fulfilled(launcher, first);
    const second = await ask(launcher, ["small"]);
    const { request } = await until("a reason", async () => {
      const found = await look(launcher, second);
      return found.request.reason === "" ? null : found;
    });
    assert.equal(request.reason, "cloud/main: max-servers is 1, in use 1, needed 1");
    await release(launcher, first);
    await fulfilled(launcher, second);
  });

  it("waits and goes on when the provider refuses for want of quota", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    cloud.weather.quota = 0;
    const launcher = await one.launcher(simple(cloud));
    const name = await ask(launcher, ["small"]);
    await until("a reason", async () =>
      (await look(launcher, name)).request.reason.includes("want of quota"),
    );
    assert.equal((await look(launcher, name)).request.state, "STATE_PENDING");
    cloud.weather.quota = 1;
    await fulfilled(launcher, name);
    assert.equal(cloud.instances.size, 1);
  });

  it("returns the nodes of a client that neither watches nor renews", async () => {
    one = await cases.begin("cloud");
    const clock = leapingClock();
    const launcher = await one.launcher(simple(new FakeProvider("cloud")), { clock });
    await fulfilled(launcher, await ask(launcher, ["small"], { leaseSeconds: 60 }));
    clock.leap(60_000);
    await untilStates(launcher);
    assert.equal([...launcher.view.requests()].length, 0);
  });

  it("keeps a lease alive while its watch is open, and ends the watch when the request is released", async () => {
    one = await cases.begin("cloud");
    const clock = leapingClock();
    const launcher = await one.launcher(simple(new FakeProvider("cloud")), { clock });
    const name = await ask(launcher, ["small"], { leaseSeconds: 60 });
    const seen: string[] = [];
    const watch = (async () => {
      for await (const { event } of launcher.requests.watchRequest({ name }, callContext)) {
        if (event?.$case === "status") seen.push(event.value?.request?.state ?? "");
      }
    })();
    await fulfilled(launcher, name);
    const expires = () => {
      const record = launcher.view.request(idOf(name))?.record;
      return record ? ownDataOf(record).lease?.expires : undefined;
    };
    for (let third = 0; third < 6; third += 1) {
      const before = expires() ?? assert.fail("the lease is over");
      clock.leap(20_000);
      await until("it is renewed", () => (expires() ?? 0) > before);
    }
    assert.deepEqual(statesOf(launcher), ["in-use"]);
    await release(launcher, name);
    await watch;
    assert.equal(seen.at(-1), "STATE_FULFILLED");
  });

  it("tells those who watch a request that what it waits for has changed", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud"), { maxServers: 2 }));
    const [first, second] = [await ask(launcher, ["small"]), await ask(launcher, ["small"])];
    await fulfilled(launcher, first);
    await fulfilled(launcher, second);
    // So long that no renewal makes the watch look.
    const name = await ask(launcher, ["small", "small"], { leaseSeconds: 3600 });
    const reasons: string[] = [];
    const watch = (async () => {
      for await (const { event } of launcher.requests.watchRequest({ name }, callContext)) {
        if (event?.$case === "status") reasons.push(event.value?.request?.reason ?? "");
      }
    })();
    await until("it is full", () => reasons.at(-1)?.includes("in use 2, needed 2"));
    await release(launcher, first);
    await until("one is gone", () => reasons.at(-1)?.includes("in use 1, needed 2"));
    await release(launcher, name);
    await watch;
  });

  it("drops what was launched for a withdrawn request", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    cloud.weather.createMs = 60_000;
    const launcher = await one.launcher(simple(cloud));
    const name = await ask(launcher, ["small"]);
    await until("an instance", () => cloud.instances.size === 1);
    await release(launcher, name);
    await untilStates(launcher);
    assert.equal(cloud.instances.size, 0);
  });

  it("lets nobody release a lease who has not seen that one of its nodes became ready", async () => {
    one = await cases.begin("cloud");
    const { promise, resolve } = Promise.withResolvers<void>();
    let scans = 0;
    const scanHostKeys = async () => {
      scans += 1;
      if (scans > 1) await promise;
      return ["ssh-ed25519 AAAA"];
    };
    const launcher = await one.launcher(simple(new FakeProvider("cloud")), { scanHostKeys });
    const name = await ask(launcher, ["small", "small"]);
    await until("both are scanned", () => scans === 2);
    await until("one is ready", () => statesOf(launcher).includes("ready"));
    // Version 1 is that of the claim.
    await assert.rejects(launcher.session.delete(requestPath(idOf(name)), 1), /BAD_VERSION/);
    await release(launcher, name);
    resolve();
    await untilStates(launcher);
  });

  it("does not give one node to two requests, nor ask twice, when two launchers share the work", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const setting = simple(cloud, { minReady: 4 });
    const launchers = [await one.launcher(setting), await one.launcher(setting)] as const;
    await untilStates(launchers[0], "ready", "ready", "ready", "ready");
    const names = await Promise.all(
      Array.from({ length: 12 }, (_, index) => ask(launchers[index % 2 === 0 ? 0 : 1], ["small"])),
    );
    const nodes = await Promise.all(names.map((name) => fulfilled(launchers[0], name)));
    assert.equal(new Set(nodes.flat().map((node) => node.name)).size, 12);
    const ready = () => statesOf(launchers[0]).filter((state) => state === "ready").length;
    await until("min-ready again", () => ready() >= 4);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(ready(), 4);
    assert.equal(cloud.instances.size, 16);
    const children = await launchers[0].session.children(NODES);
    assert.equal(children.length, 16);
  });

  it("lists and filters nodes and requests", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud"), { minReady: 2 }));
    await untilStates(launcher, "ready", "ready");
    const name = await ask(launcher, ["large"], { requestor: "somebody" });
    await fulfilled(launcher, name);
    const list = async (filter: string) =>
      (await launcher.nodes.listNodes({ pageSize: 0, pageToken: "", filter }, callContext)).nodes?.length;
    assert.equal(await list(""), 3);
    assert.equal(await list("state = READY AND label = small"), 2);
    assert.equal(await list(`allocated_to = ${name}`), 1);
    await assert.rejects(list("state = TIRED"), /no state 'TIRED'/);
    const page = { pageSize: 0, pageToken: "", filter: "requestor = somebody" };
    const requests = await launcher.requests.listRequests(page, callContext);
    assert.equal(requests.requests?.[0]?.name, name);
    const { providers } = await launcher.providers.listProviders({}, callContext);
    assert.equal(providers?.[0]?.pools?.[0]?.labels?.join(), "small,large");
  });
});
