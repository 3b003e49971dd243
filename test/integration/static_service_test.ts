// Static hosts in use, with real SSH servers and a real ZooKeeper: who gets which slot, and which hosts are left out.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { encodeRequest, newRequest, type RequestRecord } from "../../lib/model/request.ts";
import { FRESH_SECONDS } from "../../services/launcher/host/free_slots.ts";
import { HostStage } from "../harness/host_stage.ts";
import { hostsConfig, recordsIn, reloadHosts, untilSlots } from "../harness/hosts.ts";
import { type TestLauncher, until } from "../harness/launcher.ts";
import { ask, callContext, fulfilled, idOf, look, release } from "../harness/launcher_case.ts";

const PATIENCE_MS = 60_000;

/** A check that has ended just now is good for a hand-over for two seconds. */
async function untilStale(): Promise<void> {
  const end = performance.now() + FRESH_SECONDS * 1000 + 100;
  await until("checks are old", () => performance.now() > end);
}

describe("static hosts in use", () => {
  let stage: HostStage;
  before(async () => {
    stage = await HostStage.open();
  });
  after(() => stage.close());
  afterEach(() => stage.end());

  const untilWaits = (launcher: TestLauncher, name: string, reason: RegExp) =>
    until(
      `${name} waits for ${reason}`,
      async () => {
        const { request } = await look(launcher, name);
        assert.equal(request.state, "STATE_REQUESTED");
        return reason.test(request.reason);
      },
      PATIENCE_MS,
    );
  const explain = async (launcher: TestLauncher, name: string) => {
    const reply = await launcher.requests.explain({ name }, callContext);
    return reply.summary ?? "";
  };

  it("let a request wait without declining it, and serve others meanwhile", async () => {
    const launcher = await stage.begin([stage.host(), stage.host({ username: "two", labels: ["large"] })]);
    await untilSlots(launcher, `0 ready ${stage.at()} small`, `0 ready ${stage.at("two")} large`);
    const first = await ask(launcher, ["small"]);
    await fulfilled(launcher, first);
    const second = await ask(launcher, ["small"]);
    await untilWaits(launcher, second, /too few free slots for label 'small': 1 busy/);
    const record = launcher.view.request(idOf(second))?.record;
    assert.deepEqual([record?.state, record?.declinedBy], ["requested", []]);
    assert.match(await explain(launcher, second), /too few free slots|waits/);
    await fulfilled(launcher, await ask(launcher, ["large"]));
    await release(launcher, first);
    await fulfilled(launcher, second);
  });

  it("are not handed out while they are held, and come back in their slot afterwards", async () => {
    const launcher = await stage.begin([stage.host()]);
    await untilSlots(launcher, `0 ready ${stage.at()} small`);
    const [node] = [...launcher.view.nodes()];
    const wish = { name: `nodes/${node?.id}`, reason: "a look", expireSeconds: 0n };
    await launcher.nodes.holdNode(wish, callContext);
    const name = await ask(launcher, ["small"]);
    await untilWaits(launcher, name, /too few free slots for label 'small': 1 busy/);
    await untilSlots(launcher, `0 hold ${stage.at()} small`);
    await launcher.nodes.releaseNode({ name: `nodes/${node?.id}` }, callContext);
    const [next] = await fulfilled(launcher, name);
    assert.notEqual(idOf(next?.name), node?.id);
  });

  it("serve those who wait by priority, then by age", async () => {
    const launcher = await stage.begin([stage.host()]);
    await untilSlots(launcher, `0 ready ${stage.at()} small`);
    const session = await stage.one.session();
    const put = async (priority: number, more: Partial<RequestRecord> = {}) => {
      const record = newRequest(Date.now() / 1000, { nodeTypes: ["small"], requestor: "zuul", ...more });
      const path = `/nodepool/requests/${priority}-`;
      return (
        (await session.create(path, encodeRequest(record), "persistent-sequential")).split("/").at(-1) ?? ""
      );
    };
    const running = await ask(launcher, ["small"]);
    await fulfilled(launcher, running);
    const waiting = [await put(300), await put(200), await put(100), await put(200)];
    await until("all are seen", () => waiting.every((id) => launcher.view.request(id) !== undefined));
    await release(launcher, running);
    const order: string[] = [];
    for (const _turn of waiting) {
      const id = await until(
        "the next is served",
        () =>
          waiting.find(
            (one) => !order.includes(one) && launcher.view.request(one)?.record?.state === "fulfilled",
          ),
        PATIENCE_MS,
      );
      order.push(id);
      const node = [...launcher.view.nodes()].find(({ record }) => record?.allocatedTo === id);
      assert.ok(node?.record);
      await launcher.nodes.deleteNode({ name: `nodes/${node.id}` }, callContext);
      await session.deleteRecursive(`/nodepool/requests/${id}`);
    }
    assert.deepEqual(order, [waiting[2], waiting[1], waiting[3], waiting[0]]);
  });

  it("serve a request for several labels together, and decline at once what they can never have", async () => {
    const hosts = [
      stage.host({ labels: ["small", "large"], "max-parallel-jobs": 2 }),
      stage.host({ username: "two", labels: ["large"] }),
    ];
    const launcher = await stage.begin(hosts);
    await untilSlots(
      launcher,
      `0 ready ${stage.at()} small,large`,
      `1 ready ${stage.at()} small,large`,
      `0 ready ${stage.at("two")} large`,
    );
    const name = await ask(launcher, ["large", "small", "small"]);
    const nodes = await fulfilled(launcher, name);
    assert.deepEqual(
      nodes.map(({ username }) => username),
      ["two", "zuul", "zuul"],
    );
    const tooMany = await ask(launcher, ["small", "small", "small"]);
    const { request } = await until("it fails", async () => {
      const seen = await look(launcher, tooMany);
      return seen.request.state === "STATE_FAILED" ? seen : null;
    });
    assert.match(request.reason, /it can never have 3 of 'small', of which its hosts have 2/);
    const unused = await ask(launcher, ["small"], { reuse: false });
    await until("it fails", async () => (await look(launcher, unused)).request.state === "STATE_FAILED");
  });

  it("that died are not handed over; the request gets another, or this one when it is back", async () => {
    const [here, there] = [await stage.servers.start([stage.key]), await stage.servers.start([stage.key])];
    const launcher = await stage.begin([
      stage.host({ "connection-port": here.port }),
      stage.host({ "connection-port": there.port }),
    ]);
    const lines = [
      `0 ready ${stage.at("zuul", here.port)} small`,
      `0 ready ${stage.at("zuul", there.port)} small`,
    ];
    await untilSlots(launcher, ...lines);
    await here.stop();
    await untilStale();
    const first = await ask(launcher, ["small"]);
    const [node] = await fulfilled(launcher, first);
    assert.equal(node?.connectionPort, there.port);
    const second = await ask(launcher, ["small"]);
    await untilWaits(
      launcher,
      second,
      /too few free slots for label 'small': 1 busy, 1 (out of service|not answering)/,
    );
    await untilSlots(
      launcher,
      `0 testing ${stage.at("zuul", here.port)} small`,
      `0 in-use ${stage.at("zuul", there.port)} small`,
    );
    const out = recordsIn(launcher).find(({ state }) => state === "testing");
    assert.match(out?.comment ?? "", /out of service: no SSH host key from 127.0.0.1 port \d+.*ECONNREFUSED/);
    await stage.servers.start([stage.key], here.port);
    const [again] = await until(
      "it is back",
      async () => {
        const { request, nodes } = await look(launcher, second);
        return request.state === "STATE_FULFILLED" ? nodes : null;
      },
      PATIENCE_MS,
    );
    assert.equal(again?.connectionPort, here.port);
  });

  it("whose key has changed are refused with both fingerprints, until the configuration has the new one", async () => {
    const [configured, scanned] = [
      await stage.servers.start([stage.key]),
      await stage.servers.start([stage.key]),
    ];
    const hosts = [
      stage.host({ "connection-port": configured.port }),
      stage.host({ "connection-port": scanned.port, "host-key": [] }),
    ];
    const launcher = await stage.begin(hosts);
    const both = (state: string) =>
      [configured, scanned].map(({ port }) => `0 ${state} ${stage.at("zuul", port)} small`);
    await untilSlots(launcher, ...both("ready"));
    const other = await stage.servers.key();
    for (const server of [configured, scanned]) {
      await server.stop();
      await stage.servers.start([other], server.port);
    }
    await untilStale();
    const name = await ask(launcher, ["small"]);
    await untilSlots(launcher, ...both("testing"));
    const comments = () => recordsIn(launcher).map(({ comment }) => comment ?? "");
    // A check that found nobody, between the two servers, is repeated.
    for (const why of [
      /is not that of the configuration: it shows ssh-ed25519 SHA256/,
      /has changed: it shows ssh-ed25519 SHA256.* known is ssh-ed25519/,
    ]) {
      await until(`${why}`, () => comments().some((text) => why.test(text)), PATIENCE_MS).catch(
        (error: Error) => assert.fail(`${error.message}: ${comments()}`),
      );
    }
    assert.equal((await look(launcher, name)).request.state, "STATE_REQUESTED");
    const known = hosts.map((host) => ({ ...host, "host-key": other.line }));
    await reloadHosts(launcher, hostsConfig(known));
    const [node] = await fulfilled(launcher, name);
    assert.deepEqual(node?.hostKeys, [other.line]);
  });

  it("are kept by one launcher and handed out by each, no slot twice", async () => {
    const hosts = [stage.host({ "max-parallel-jobs": 4 })];
    const first = await stage.begin(hosts);
    const second = await stage.one.launcher(hostsConfig(hosts));
    const lines = [0, 1, 2, 3].map((slot) => `${slot} ready ${stage.at()} small`);
    await untilSlots(second, ...lines);
    const rounds = [1, 2, 3];
    for (const _round of rounds) {
      const names = await Promise.all(
        [first, second, first, second, first, second].map(async (launcher) => await ask(launcher, ["small"])),
      );
      const waiting = new Set(names);
      while (waiting.size > 0) {
        const inUse = recordsIn(first).filter(({ state }) => state === "in-use");
        assert.equal(new Set(inUse.map(({ slot }) => slot)).size, inUse.length, "a slot is given out once");
        const done = await until(
          "one is served",
          async () => {
            for (const name of waiting) {
              if ((await look(second, name)).request.state === "STATE_FULFILLED") return name;
            }
            return null;
          },
          PATIENCE_MS,
        );
        waiting.delete(done);
        await release(waiting.size % 2 === 0 ? first : second, done);
      }
      await untilSlots(first, ...lines);
    }
    await first.crash();
    await fulfilled(second, await ask(second, ["small"]));
  });
});
