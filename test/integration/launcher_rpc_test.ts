// What people and programs change through the launcher's API while it runs.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Status } from "nice-grpc-common";
import { encodeRequest, newRequest } from "../../lib/model/request.ts";
import { ProviderError } from "../../lib/provider/contract.ts";
import { FakeProvider } from "../harness/fake_provider.ts";
import { until } from "../harness/launcher.ts";
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
} from "../harness/launcher_case.ts";
import { launcherCases } from "../harness/suites.ts";

describe("the launcher's API", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  it("revises the priority of a request that waits, and that decides who is served next", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud"), { maxServers: 1 }));
    const first = await ask(launcher, ["small"]);
    await fulfilled(launcher, first);
    const second = await ask(launcher, ["small"]);
    const third = await ask(launcher, ["small"]);
    const revise = (name: string, relativePriority: bigint, updateMask?: string[]) =>
      launcher.requests.updateRequest(
        { request: { name, relativePriority } as never, updateMask },
        callContext,
      );
    const { request } = await revise(third, -3n, ["relative_priority"]);
    assert.equal(request?.relativePriority, -3n);
    await release(launcher, first);
    await fulfilled(launcher, third);
    assert.equal((await look(launcher, second)).request.state, "STATE_REQUESTED");
    await assert.rejects(revise(third, 1n), /fulfilled: it does not wait any more/);
    await assert.rejects(revise(second, 1n, ["labels"]), /update_mask: 'labels' cannot be changed/);
    await assert.rejects(revise(second, 2n ** 60n), /relative_priority/);
    await assert.rejects(revise("nodeRequests/200-0000000099", 1n), /there is no request/);
    const session = await one.session();
    const zuul = encodeRequest(newRequest(Date.now() / 1000, { nodeTypes: ["small"], requestor: "zuul" }));
    const path = await session.create("/nodepool/requests/200-", zuul, "persistent-sequential");
    await assert.rejects(revise(`nodeRequests/${idOf(path)}`, 1n), /has no lease/);
  });

  it("ends a hold: the node is deleted, and its place, which was taken all the while, is free", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(simple(cloud, { minReady: 1, maxServers: 1 }));
    await untilStates(launcher, "ready");
    const id = [...launcher.view.nodes()][0]?.id;
    const name = `nodes/${id}`;
    const letGo = () => launcher.nodes.releaseNode({ name }, callContext);
    await assert.rejects(letGo(), /is ready, and nobody holds it/);
    await launcher.nodes.holdNode({ name, reason: "look", expireSeconds: 0n }, callContext);
    await untilStates(launcher, "hold");
    // That one state lasts for a moment says nothing. Here somebody wants the place, and is told that it is taken.
    const request = await ask(launcher, ["large"]);
    await until("the request waits for the held node's place", async () => {
      return /max-servers is 1, in use 1, needed 1/.test((await look(launcher, request)).request.reason);
    });
    assert.deepEqual([statesOf(launcher), cloud.calls], [["hold"], [`create np${id}`]]);
    const { node } = await letGo();
    assert.equal(node?.state, "STATE_USED");
    const [next] = await fulfilled(launcher, request);
    assert.notEqual(next?.name, name);
    assert.equal(launcher.view.node(id ?? ""), undefined);
    assert.deepEqual(cloud.calls, [`create np${id}`, `delete np${id}`, `create np${idOf(next?.name)}`]);
  });

  it("takes the wish to hold a node in use back, whoever writes the node meanwhile", async () => {
    one = await cases.begin("cloud");
    const setting = simple(new FakeProvider("cloud"));
    const launcher = await one.launcher(setting);
    const other = await one.launcher(setting);
    const request = await ask(launcher, ["small"]);
    const [given] = await fulfilled(launcher, request);
    const name = given?.name ?? "";
    await launcher.nodes.holdNode({ name, reason: "look", expireSeconds: 0n }, callContext);
    await until("the other knows", () => other.view.node(idOf(name))?.record?.extra.hold_requested);
    const { node } = await launcher.nodes.releaseNode({ name }, callContext);
    assert.equal(node?.holdRequested, false);
    await until(
      "the other knows that",
      () => other.view.node(idOf(name))?.record?.extra.hold_requested === null,
    );
    await release(other, request);
    await untilStates(launcher);
  });

  it("shows a node's console, and says why it cannot", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(simple(cloud, { minReady: 1 }));
    await untilStates(launcher, "ready");
    const name = `nodes/${[...launcher.view.nodes()][0]?.id}`;
    const { text, truncated } = await launcher.nodes.getConsoleLog({ name }, callContext);
    assert.deepEqual([text, truncated], [`np${idOf(name)} login:`, false]);
    cloud.instances.clear();
    await assert.rejects(launcher.nodes.getConsoleLog({ name }, callContext), /'cloud' keeps none of it/);
    await assert.rejects(launcher.nodes.getConsoleLog({ name: "nodes/9" }, callContext), /there is no node/);
  });

  for (const { how, retryable, code } of [
    { how: "refuses it", retryable: false, code: Status.FAILED_PRECONDITION },
    { how: "may show it later", retryable: true, code: Status.UNAVAILABLE },
  ]) {
    it(`says of a provider that shows no console whether it ${how}`, async () => {
      one = await cases.begin("cloud");
      const cloud = new FakeProvider("cloud");
      cloud.consoleLog = () => Promise.reject(new ProviderError("no console today", { retryable }));
      const launcher = await one.launcher(simple(cloud, { minReady: 1 }));
      await untilStates(launcher, "ready");
      const name = `nodes/${[...launcher.view.nodes()][0]?.id}`;
      await assert.rejects(launcher.nodes.getConsoleLog({ name }, callContext), {
        code,
        details: "cloud: no console today",
      });
    });
  }

  it("refuses names and texts that ZooKeeper could not hold, and says which", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud"), { minReady: 1 }));
    await untilStates(launcher, "ready");
    const long = "x".repeat(2_000_000);
    for (const field of ["requestor", "provider", "tenant", "eventId"]) {
      const word = field === "eventId" ? "event_id" : field;
      await assert.rejects(ask(launcher, ["small"], { [field]: long }), {
        code: Status.INVALID_ARGUMENT,
        details: `request.${word}: has 2000000 characters: expected at most 4096`,
      });
    }
    const name = `nodes/${[...launcher.view.nodes()][0]?.id}`;
    const hold = launcher.nodes.holdNode({ name, reason: long, expireSeconds: 0n }, callContext);
    await assert.rejects(hold, { code: Status.INVALID_ARGUMENT });
    const look = launcher.nodes.getNode({ name: `nodes/${long}` }, callContext);
    await assert.rejects(look, { code: Status.INVALID_ARGUMENT });
  });

  it("shows nothing that may be old while ZooKeeper is away, and goes on when it is back", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud"), { minReady: 1 }));
    await untilStates(launcher, "ready");
    const name = `nodes/${[...launcher.view.nodes()][0]?.id}`;
    const request = await ask(launcher, ["small"]);
    await fulfilled(launcher, request);
    const page = { pageSize: 0, pageToken: "", filter: "" };
    const aliens = { provider: "" };
    const reads: readonly (() => unknown)[] = [
      () => launcher.nodes.listNodes(page, callContext),
      () => launcher.nodes.getNode({ name }, callContext),
      () => firstOf(launcher.nodes.watchNodes({ filter: "", resumeToken: "" }, callContext)),
      () => launcher.requests.listRequests(page, callContext),
      () => launcher.requests.getRequest({ name: request }, callContext),
      () => firstOf(launcher.requests.watchRequest({ name: request }, callContext)),
      () => launcher.requests.explain({ name: "labels/small" }, callContext),
      () => launcher.components.listComponents({}, callContext),
      () => launcher.providers.listAlienInstances(aliens, callContext),
      () => launcher.providers.listAlienImages(aliens, callContext),
    ];
    await cases.server.stop();
    try {
      await until("the connection is gone", () => !launcher.view.current);
      for (const read of reads) {
        await assert.rejects(async () => await read(), { code: Status.UNAVAILABLE }, String(read));
      }
    } finally {
      await cases.server.restart();
    }
    await until("the connection is back", () => launcher.view.current);
    for (const read of reads) await read();
  });
});

/** What a stream begins with; it is ended then. */
async function firstOf<T>(stream: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of stream) return item;
  return undefined;
}
