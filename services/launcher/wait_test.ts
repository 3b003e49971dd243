// One call that asks for nodes and waits for them, on a real ZooKeeper with a provider in memory.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { durationOf } from "../../lib/rpc/duration.ts";
import { NodeRequest } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { FakeProvider } from "../../test/harness/fake_provider.ts";
import type { TestLauncher } from "../../test/harness/launcher.ts";
import {
  ask,
  callContext,
  fulfilled,
  type LauncherCase,
  release,
  simple,
} from "../../test/harness/launcher_case.ts";
import { launcherCases } from "../../test/harness/suites.ts";

/** CreateRequest for one small node that waits so many seconds; its answer. */
async function askAndWait({ requests }: TestLauncher, seconds: number, requestId = "") {
  const request = NodeRequest.fromPartial({ labels: ["small"] });
  const call = { request, requestId, leaseDuration: undefined, waitDuration: durationOf(seconds) };
  return await requests.createRequest(call, callContext);
}

describe("launcher: a call that waits for its nodes", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  it("is answered with the nodes, which are the caller's", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud")));
    const { request, nodes = [] } = await askAndWait(launcher, 60);
    assert.equal(request?.state, "STATE_FULFILLED");
    assert.deepEqual(
      nodes.map(({ name, state, allocatedTo }) => ({ name, state, allocatedTo })),
      [{ name: request.nodes?.[0], state: "STATE_IN_USE", allocatedTo: request.name }],
    );
  });

  it("is answered with the request as it is when its time is over, and goes on waiting when it is repeated", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud"), { maxServers: 1 }));
    const other = await ask(launcher, ["small"]);
    await fulfilled(launcher, other);
    const requestId = randomUUID();
    const { request } = await askAndWait(launcher, 0.3, requestId);
    assert.equal(request?.state, "STATE_REQUESTED");
    assert.match(request.reason ?? "", /in use 1/);
    const repeated = askAndWait(launcher, 60, requestId);
    await release(launcher, other);
    const answer = await repeated;
    assert.deepEqual(
      [answer.request?.name, answer.request?.state, answer.nodes?.length],
      [request.name, "STATE_FULFILLED", 1],
    );
  });

  it("goes on with its request where nobody offers the label any more", async () => {
    one = await cases.begin("cloud", "other");
    const here = await one.launcher(simple(new FakeProvider("cloud")));
    const provider = { driver: new FakeProvider("other"), pools: [{ name: "main", offers: ["large"] }] };
    const elsewhere = await one.launcher({ labels: { large: {} }, providers: [provider] });
    const requestId = randomUUID();
    const { request } = await askAndWait(here, 60, requestId);
    await one.stop(here);
    const answer = await askAndWait(elsewhere, 60, requestId);
    assert.deepEqual(
      [answer.request?.name, answer.request?.state, answer.nodes?.length],
      [request?.name, "STATE_FULFILLED", 1],
    );
  });

  it("says so when the request is released meanwhile", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud"), { maxServers: 1 }));
    await fulfilled(launcher, await ask(launcher, ["small"]));
    const requestId = randomUUID();
    const { request } = await askAndWait(launcher, 0, requestId);
    const released = assert.rejects(
      askAndWait(launcher, 60, requestId),
      /NOT_FOUND: there is no request '.+'; it was released meanwhile, or its lease ran out: call again/,
    );
    await release(launcher, request?.name ?? "");
    await released;
  });

  it("is refused when the time is none, and asks for nothing", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud")));
    await assert.rejects(askAndWait(launcher, -1), /wait_duration: -1 s: expected 0 s to 86400 s/);
    assert.equal([...launcher.view.requests()].length, 0);
  });
});
