// The launcher on a real ZooKeeper with a fake cloud: what leaks, what is lost, and the brake.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nodeLockPath, REQUEST_LOCKS, ROOT, requestLockPath } from "../../../lib/model/paths.ts";
import { METADATA } from "../../../lib/provider/contract.ts";
import { FakeProvider } from "../../../lib/provider/fake/fake_provider.ts";
import { type Clock, systemClock } from "../../../lib/std/clock.ts";
import { type Logger, silentLogger } from "../../../lib/std/logger.ts";
import { createLocks } from "../../../lib/zookeeper/locks.ts";
import { catchUp } from "../../../lib/zookeeper/settle.ts";
import type { HeldLock } from "../../../lib/zookeeper/types.ts";
import { type TestLauncher, until } from "../../../test/harness/launcher.ts";
import {
  ask,
  callContext,
  fulfilled,
  idOf,
  type LauncherCase,
  release,
  simple,
  statesOf,
  untilStates,
} from "../../../test/harness/launcher_case.ts";
import { launcherCases } from "../../../test/harness/suites.ts";

const OFTEN = { cleanupIntervalMs: 60 };
const leakedMetadata = (node: string) => ({ [METADATA.provider]: "cloud", [METADATA.node]: node });

describe("launcher: cleanup", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  it("removes leaked instances and what was left behind, and nothing of others", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    cloud.add("np0000000099", leakedMetadata("0000000099"), "running");
    const theirs = cloud.add("theirs", { owner: "somebody" }, "running");
    cloud.cloud.addLeftover("port", leakedMetadata("0000000098"));
    cloud.cloud.addLeftover("floating ip", { [METADATA.provider]: "another", [METADATA.node]: "0000000097" });
    await one.launcher(simple(cloud), OFTEN);
    await until("the leaks gone", () => cloud.instances.size === 1 && cloud.cloud.leftovers.size === 1);
    assert.deepEqual([...cloud.instances.keys()], [theirs.externalId]);
    assert.deepEqual(
      [...cloud.cloud.leftovers.values()].map(({ kind }) => kind),
      ["floating ip"],
    );
  });

  it("leaves what belongs to a node that is recorded until that is gone", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(simple(cloud), OFTEN);
    const request = await ask(launcher, ["small"]);
    const [node] = await fulfilled(launcher, request);
    cloud.cloud.addLeftover("port", leakedMetadata(idOf(node?.name)));
    cloud.cloud.addLeftover("volume", leakedMetadata("0000000099"));
    const kinds = () => [...cloud.cloud.leftovers.values()].map(({ kind }) => kind);
    await until("two looks", () => !kinds().includes("volume"));
    assert.deepEqual(kinds(), ["port"]);
    await release(launcher, request);
    await until("nothing left", () => kinds().length === 0);
  });

  it("removes the lock of a request that is gone after ten minutes, unless somebody stands in its line", async () => {
    one = await cases.begin("cloud");
    const session = await one.session();
    const [empty = "", locked = ""] = ["200-0000000001", "200-0000000002"].map(requestLockPath);
    for (const path of [empty, locked]) await session.ensurePath(path);
    await session.create(`${locked}/${"0".repeat(32)}__lock__0000000000`, new Uint8Array(), "persistent");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(simple(cloud), OFTEN);
    const pass = async (at: TestLauncher) => {
      cloud.add("np0000000099", leakedMetadata("0000000099"), "running");
      await until("two looks at the cloud", () => cloud.instances.size === 0);
      await catchUp(at, ROOT);
    };
    await pass(launcher);
    assert.equal((await session.children(REQUEST_LOCKS)).length, 2, "they are young");
    await one.stop(launcher);
    const clock = { ...systemClock, now: () => systemClock.now() + 601_000 };
    await pass(await one.launcher(simple(cloud), { ...OFTEN, clock }));
    const left = () => session.children(REQUEST_LOCKS);
    await until("the empty one gone", async () => (await left()).length === 1);
    assert.deepEqual(await left(), [locked.slice(REQUEST_LOCKS.length + 1)]);
  });

  it("removes a node's second instance, of a create that was done although nobody heard of it", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(simple(cloud), OFTEN);
    const [node] = await fulfilled(launcher, await ask(launcher, ["small"]));
    const [first] = cloud.instances.values();
    assert.ok(node && first);
    cloud.add(first.name, first.metadata, "running");
    await until("the second one gone", () => cloud.instances.size === 1);
    assert.deepEqual([...cloud.instances.keys()], [first.externalId]);
  });

  it("keeps a node of whose instance the cloud can tell only the id, and calls that no alien", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(simple(cloud, { minReady: 1 }), OFTEN);
    await untilStates(launcher, "ready");
    const [instance] = cloud.instances.values();
    assert.ok(instance);
    Object.assign(instance, { name: "", metadata: {} });
    // A lost node goes in the look in which the first of these goes.
    for (const number of ["98", "99"]) {
      cloud.add(`np00000000${number}`, leakedMetadata(`00000000${number}`), "running");
      await until("a leak gone", () => cloud.instances.size === 1);
    }
    assert.deepEqual([...cloud.instances.keys()], [instance.externalId]);
    const [node] = launcher.view.nodes();
    assert.equal(node?.record?.state, "ready");
    const aliens = await launcher.providers.listAlienInstances({ provider: "" }, callContext);
    assert.deepEqual(aliens.instances, []);
  });

  it("removes the port that a deletion left, and the instance whose deletion was a lie", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    cloud.weather.leavePorts = 1;
    cloud.weather.lieDeletes = 1;
    const launcher = await one.launcher(simple(cloud), OFTEN);
    const name = await ask(launcher, ["small"]);
    await fulfilled(launcher, name);
    await release(launcher, name);
    await untilStates(launcher);
    await until("nothing left", () => cloud.instances.size === 0 && cloud.cloud.leftovers.size === 0);
  });

  it("goes on after a pass that has thrown", async () => {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud")), OFTEN);
    const { orphanedRequestLocks } = launcher.view;
    let passes = 0;
    Object.assign(launcher.view, {
      orphanedRequestLocks: () => {
        passes += 1;
        if (passes === 1) throw new Error("poison");
        return orphanedRequestLocks();
      },
    });
    await until("another pass", () => passes > 1);
  });

  it("goes on with a provider while another one hangs", async () => {
    one = await cases.begin("cloud", "stuck");
    const [cloud, stuck] = [new FakeProvider("cloud"), new FakeProvider("stuck")];
    stuck.weather.hang.add("listInstances");
    cloud.add("np0000000099", leakedMetadata("0000000099"), "running");
    const setting = simple(cloud);
    const pool = { name: "main", offers: ["large"] };
    await one.launcher(
      { ...setting, providers: [{ driver: stuck, pools: [pool] }, ...setting.providers] },
      OFTEN,
    );
    // A list may take a minute.
    await until("a second look at the provider that answers", () => cloud.calls.length > 0, 30_000);
  });

  it("goes on with what else it finds at a provider while one deletion hangs", async () => {
    one = await cases.begin("cloud");
    const driver = new FakeProvider("cloud");
    const stuck = driver.add("np0000000098", leakedMetadata("0000000098"), "running");
    const { deleteInstance } = driver;
    let tries = 0;
    driver.deleteInstance = async (id, signal) => {
      if (id !== stuck.externalId) return await deleteInstance.call(driver, id, signal);
      tries += 1;
      await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    };
    const launcher = await one.launcher(simple(driver), OFTEN);
    await until("the deletion hangs", () => tries === 1);
    driver.add("np0000000099", leakedMetadata("0000000099"), "running");
    await until("the other one is gone", () => driver.instances.size === 1);
    const [node] = await fulfilled(launcher, await ask(launcher, ["small"]));
    const { externalId } = launcher.view.node(idOf(node?.name))?.record ?? {};
    driver.instances.delete(String(externalId));
    await untilStates(launcher);
    assert.equal(tries, 1, "what is under way is not begun again");
  });

  it("gives deletions up that hang for ten minutes, and tells of them", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const { externalId: instance } = cloud.add("np0000000099", leakedMetadata("0000000099"), "running");
    const { externalId: port } = cloud.cloud.addLeftover("port", leakedMetadata("0000000098"));
    cloud.weather.hang.add("deleteInstance").add("deleteLeftover");
    const told: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      child: () => logger,
      warn: (_message, fields = {}) => void told.push(`${fields.thing}: ${fields.error}`),
    };
    // Ten minutes are over in 60 ms.
    const after: Clock["after"] = (milliseconds, callback) =>
      systemClock.after(milliseconds === 600_000 ? 60 : milliseconds, callback);
    await one.launcher(simple(cloud), { ...OFTEN, logger, clock: { ...systemClock, after } });
    for (const thing of [`cloud/instance/${instance}`, `cloud/port/${port}`]) {
      await until(thing, () => told.includes(`${thing}: not deleted in 600 s`));
    }
  });

  it("puts the brake on when most instances look leaked, tells it, and goes on when it is released", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    for (let node = 10; node < 20; node += 1) {
      cloud.add(`np00000000${node}`, leakedMetadata(`00000000${node}`), "running");
    }
    const launcher = await one.launcher(simple(cloud), OFTEN);
    const brake = async () => {
      const { providers } = await launcher.providers.listProviders({}, callContext);
      return providers?.[0]?.brake ?? "";
    };
    const told = await until("the brake", async () => (await brake()) || null);
    assert.match(told, /10 of 10 \(100 %, the limit is 40 %\).*brake-release/);
    const asked = await ask(launcher, ["small"]);
    await fulfilled(launcher, asked);
    await release(launcher, asked);
    await untilStates(launcher);
    assert.equal(cloud.instances.size, 10, "the brake stops the cleanup only");
    const aliens = await launcher.providers.listAlienInstances({ provider: "providers/cloud" }, callContext);
    assert.equal(aliens.instances?.filter(({ leaked }) => leaked).length, 10);
    await launcher.providers.releaseBrake({ name: "providers/cloud" }, callContext);
    await until("the leaked instances gone", () => cloud.instances.size === 0);
    assert.equal(await brake(), "");
  });

  it("says of a node whose instance is gone that the brake keeps it", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(simple(cloud, { minReady: 6 }), OFTEN);
    await untilStates(launcher, ...Array<string>(6).fill("ready"));
    cloud.instances.clear();
    const [node] = launcher.view.nodes();
    const facts = async () => {
      const told = await launcher.requests.explain({ name: `nodes/${node?.id}` }, callContext);
      return told.facts?.join("\n") ?? "";
    };
    const told = await until("the loss", async () => {
      const text = await facts();
      return text.includes("instance gone") ? text : null;
    });
    assert.match(told, /found its instance gone or not running; automatic deletion is stopped: .* 6 of 6 /);
  });

  it("deletes a leased node whose instance is gone: its holder is told", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(simple(cloud), OFTEN);
    await fulfilled(launcher, await ask(launcher, ["small"]));
    cloud.instances.clear();
    await untilStates(launcher);
  });

  it("leaves a node to whoever locks it at the moment at which its instance is found to be gone", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(simple(cloud, { minReady: 1 }), OFTEN);
    await untilStates(launcher, "ready");
    const [node] = launcher.view.nodes();
    const locks = createLocks(await one.session());
    const { multi } = launcher.session;
    let lock: HeldLock | null = null;
    launcher.session.multi = async (operations) => {
      lock ??= await locks.acquire(nodeLockPath(node?.id ?? ""), { timeout: 5000 });
      return await multi.call(launcher.session, operations);
    };
    cloud.instances.clear();
    await until("it is locked", () => lock !== null);
    cloud.add("np0000000099", leakedMetadata("0000000099"), "running");
    const names = () => [...cloud.instances.values()].map(({ name }) => name);
    await until("two more looks", () => !names().includes("np0000000099"));
    await catchUp(launcher, ROOT);
    assert.deepEqual(statesOf(launcher), ["ready"]);
  });

  it("lists aliens of every provider that answers, and names the one that does not", async () => {
    one = await cases.begin("cloud", "broken");
    const [cloud, broken] = [new FakeProvider("cloud"), new FakeProvider("broken")];
    broken.weather.failLists = Number.POSITIVE_INFINITY;
    cloud.add("theirs", { owner: "somebody" }, "running");
    const image = { name: "lost", metadata: { [METADATA.provider]: "cloud", [METADATA.image]: "x" } };
    await cloud.cloud.createImage(image, AbortSignal.timeout(5000));
    const setting = simple(cloud);
    const pool = { name: "main", offers: ["large"] };
    const launcher = await one.launcher({
      ...setting,
      providers: [...setting.providers, { driver: broken, pools: [pool] }],
    });
    const { providers } = launcher;
    const instances = await providers.listAlienInstances({ provider: "" }, callContext);
    assert.deepEqual(
      instances.instances?.map(({ displayName, leaked }) => [displayName, leaked]),
      [["theirs", false]],
    );
    assert.match(instances.problems?.[0] ?? "", /^broken: 503/);
    const images = await providers.listAlienImages({ provider: "providers/cloud" }, callContext);
    assert.deepEqual(
      images.images?.map(({ displayName }) => displayName),
      ["lost"],
    );
    await assert.rejects(
      async () => await providers.listAlienImages({ provider: "providers/none" }, callContext),
      /none/,
    );
    await assert.rejects(
      async () => await providers.releaseBrake({ name: "providers/none" }, callContext),
      /none/,
    );
  });
});
