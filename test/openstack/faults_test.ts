// What goes wrong in a real OpenStack, with a launcher in front of it: each ends with nothing left on either side.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { type TestLauncher, until } from "../harness/launcher.ts";
import { ask as askWithLease, fulfilled, look, release } from "../harness/launcher_case.ts";
import { startZooKeeper, type ZooKeeperServer } from "../harness/zookeeper.ts";
import { type CloudName, NO_CLOUD } from "./harness/cloud_user.ts";
import { type FaultyLauncher, type Patience, startFaultyLauncher } from "./harness/faulty_launcher.ts";
import { killServices, signalServices, startServices } from "./harness/services.ts";

const PATIENCE = 180_000;

/** A request that nobody has to keep alive. */
const ask = (launcher: TestLauncher, labels: string[]) =>
  askWithLease(launcher, labels, { leaseSeconds: 900 });

describe("a launcher in front of a real OpenStack", { skip: NO_CLOUD ?? false }, () => {
  let server: ZooKeeperServer;
  let one: FaultyLauncher;
  const start = async (cloud: CloudName, patience: Patience = {}) => {
    one = await startFaultyLauncher(server, cloud, patience);
    return one;
  };
  const state = async (name: string) => (await look(one.launcher, name)).request.state;
  const reason = async (name: string) => (await look(one.launcher, name)).request.reason;
  const failed = (name: string) =>
    until(`${name} failed`, async () => (await state(name)) === "STATE_FAILED", PATIENCE);
  const served = (name: string) => fulfilled(one.launcher, name, PATIENCE);

  before(async () => {
    server = await startZooKeeper();
  });
  after(() => server.close());
  afterEach(() => one.close());

  test("waits while the quota is full, and serves when something was given back", async () => {
    const { launcher, user } = await start("tiny");
    const [first, second] = [await ask(launcher, ["small"]), await ask(launcher, ["small"])];
    await Promise.all([served(first), served(second)]);
    const third = await ask(launcher, ["small"]);
    await until("the third waits", async () => (await reason(third)) !== "", PATIENCE);
    assert.equal((await user.servers()).length, 2);
    await release(launcher, first);
    await served(third);
    for (const name of [second, third]) await release(launcher, name);
    await one.untilEmpty();
  });

  test("hears a quota of Nova's own refusal, and of a server that ends by one", async () => {
    const { launcher, provider } = await start("tiny");
    // What it believes of the limits does not hold: the next create is Nova's to refuse.
    const names = [await ask(launcher, ["small"]), await ask(launcher, ["small"])];
    await Promise.all(names.map(served));
    const spec = {
      name: "np9999999999",
      pool: "main",
      label: "small",
      imageExternalId: "public-image",
      username: null,
      az: null,
      request: null,
      metadata: { nodepool_provider_name: "real", nodepool_node_id: "9999999999" },
    };
    const refused = provider.createInstance(spec, async () => {}, AbortSignal.timeout(60_000));
    await assert.rejects(refused, { name: "QuotaError", message: /Quota exceeded for instances/ });
    for (const name of names) await release(launcher, name);
    await one.untilEmpty();
    const over = await ask(launcher, ["over-quota"]);
    await until(
      "the request waits for quota",
      async () => /quota/i.test((await reason(over)) ?? ""),
      PATIENCE,
    );
    await release(launcher, over);
    await one.untilEmpty();
  });

  test("gives up what no host takes and what breaks down", async () => {
    const { launcher } = await start("nodepool", { launchTimeout: 150, launchRetries: 1 });
    const names = await Promise.all(["toobig", "aborted"].map((label) => ask(launcher, [label])));
    await Promise.all(names.map(failed));
    const [tooBig, aborted] = await Promise.all(names.map(reason));
    assert.match(tooBig ?? "", /No valid host was found/);
    assert.match(aborted ?? "", /aborted: asked for by osit-fail/);
    await one.untilEmpty();
  });

  test("gives up what boots too slowly", async () => {
    const { launcher } = await start("nodepool", { launchTimeout: 20, launchRetries: 1 });
    const name = await ask(launcher, ["slow"]);
    await failed(name);
    assert.match((await reason(name)) ?? "", /not ready after 20 s/);
    await one.untilEmpty();
  });

  test("deletes again what Nova did not delete", async () => {
    const { launcher } = await start("nodepool");
    const name = await ask(launcher, ["stubborn"]);
    await served(name);
    await release(launcher, name);
    await one.untilEmpty();
  });

  test("takes another token when the services refuse its own in mid-flight", async () => {
    const { launcher, proxy } = await start("nodepool");
    const name = await ask(launcher, ["small"]);
    await until("a launch", () => proxy.calls.get("compute POST"), PATIENCE);
    proxy.spoilToken();
    await served(name);
    assert.ok(proxy.spoiled > 0, "no call carried the token that was refused");
    await release(launcher, name);
    await one.untilEmpty();
  });

  test("goes on when the services were restarted under it", async () => {
    const { launcher } = await start("nodepool", { launchTimeout: 180 });
    const names = [await ask(launcher, ["small"]), await ask(launcher, ["small"])];
    await until("a server", async () => (await one.user.servers()).length > 0, PATIENCE);
    await killServices("nova-api", "neutron-server", "glance-api");
    await startServices();
    await Promise.all(names.map(served));
    for (const name of names) await release(launcher, name);
    await one.untilEmpty();
  });

  test("goes on when RabbitMQ was away for a minute", async () => {
    const { launcher } = await start("nodepool", { launchTimeout: 300 });
    const first = await ask(launcher, ["small"]);
    await served(first);
    await signalServices("SIGSTOP", "rabbitmq");
    const second = await ask(launcher, ["small"]);
    await release(launcher, first);
    await new Promise((resolve) => setTimeout(resolve, 60_000));
    await signalServices("SIGCONT", "rabbitmq");
    await served(second);
    await release(launcher, second);
    await one.untilEmpty();
  });
});
