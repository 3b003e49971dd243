// Static hosts that their users leave unusable or complain of, with real SSH servers and a real ZooKeeper.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { encodeNode, withNodeState } from "../../lib/model/node.ts";
import { nodePath } from "../../lib/model/paths.ts";
import { markedUsed, wasUsed, withSuspicionOf } from "../../services/launcher/request/own_data.ts";
import { HostStage } from "../harness/host_stage.ts";
import { hostsConfig, recordsIn, untilSlots } from "../harness/hosts.ts";
import { until } from "../harness/launcher.ts";
import { ask, callContext, fulfilled, release } from "../harness/launcher_case.ts";

const PATIENCE_MS = 60_000;

describe("static hosts under suspicion", () => {
  let stage: HostStage;
  before(async () => {
    stage = await HostStage.open();
  });
  after(() => stage.close());
  afterEach(() => stage.end());

  it("that two jobs left unusable are out of service until they are trusted again", async () => {
    const server = await stage.servers.start([stage.key]);
    const launcher = await stage.begin([
      stage.host({ "connection-port": server.port, "max-parallel-jobs": 2 }),
    ]);
    const lines = (state: string) =>
      [0, 1].map((slot) => `${slot} ${state} ${stage.at("zuul", server.port)} small`);
    await untilSlots(launcher, ...lines("ready"));
    const names = [
      await ask(launcher, ["small"], { requestor: "first job" }),
      await ask(launcher, ["small"], { requestor: "second job" }),
    ];
    for (const name of names) await fulfilled(launcher, name);
    await server.stop();
    const deleting = new Map<string, boolean>();
    launcher.view.subscribe(({ id }) => {
      const record = launcher.view.node(id)?.record;
      if (record?.state === "deleting") deleting.set(id, wasUsed(record));
    });
    for (const name of names) await release(launcher, name);
    await untilSlots(launcher, ...lines("testing"));
    await stage.servers.start([stage.key], server.port);
    await until(
      "it says why, though it answers",
      () =>
        recordsIn(launcher).every(({ comment }) =>
          /suspicious runs of 2 jobs \((?=.*first job)(?=.*second job).*\)/s.test(comment ?? ""),
        ),
      PATIENCE_MS,
    );
    assert.deepEqual([...deleting.values()], [true, true], "whoever ends a deletion knows what it is of");
    const [node] = [...launcher.view.nodes()];
    const reply = await launcher.requests.explain({ name: `nodes/${node?.id}` }, callContext);
    assert.match(reply.summary ?? "", /out of service: suspicious runs of 2 jobs/);
  });

  it("are suspected of what users hold against them, also when another launcher ends the deletion", async () => {
    const host = stage.host({ "max-parallel-jobs": 2 });
    const first = await stage.begin([host]);
    const lines = (state: string) => [0, 1].map((slot) => `${slot} ${state} ${stage.at()} small`);
    await untilSlots(first, ...lines("ready"));
    const used = [...first.view.nodes()];
    await first.stop();
    const session = await stage.one.session();
    for (const { id, record } of used) {
      assert.ok(record);
      const returned = withSuspicionOf({ ...record, requestor: `job of ${id}` }, "its disk is full");
      await session.set(nodePath(id), encodeNode(withNodeState(returned, "deleting", Date.now() / 1000)), -1);
    }
    const second = await stage.one.launcher(hostsConfig([host]));
    await untilSlots(second, ...lines("testing"));
    const jobs =
      /suspicious runs of 2 jobs \(job of \d+.*: its disk is full; job of \d+.*: its disk is full\)/;
    await until(
      "it says why",
      () => recordsIn(second).every(({ comment }) => jobs.test(comment ?? "")),
      PATIENCE_MS,
    );
  });

  it("are suspected of having become unusable, also when another launcher ends the deletion", async () => {
    const server = await stage.servers.start([stage.key]);
    const host = stage.host({ "connection-port": server.port, "max-parallel-jobs": 2 });
    const first = await stage.begin([host]);
    const lines = (state: string) =>
      [0, 1].map((slot) => `${slot} ${state} ${stage.at("zuul", server.port)} small`);
    await untilSlots(first, ...lines("ready"));
    const used = [...first.view.nodes()];
    await first.stop();
    await server.stop();
    const session = await stage.one.session();
    for (const { id, record } of used) {
      assert.ok(record);
      const deleting = markedUsed({ ...record, requestor: `job of ${id}`, state: "deleting" });
      await session.set(nodePath(id), encodeNode(deleting), -1);
    }
    const second = await stage.one.launcher(hostsConfig([host]));
    await untilSlots(second, ...lines("testing"));
    await stage.servers.start([stage.key], server.port);
    await until(
      "it says why, though it answers",
      () =>
        recordsIn(second).every(({ comment }) => /suspicious runs of 2 jobs \(job of/.test(comment ?? "")),
      PATIENCE_MS,
    );
  });
});
