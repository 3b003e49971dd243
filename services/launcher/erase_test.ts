// A provider's records are erased over the API, on a real ZooKeeper.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Status } from "nice-grpc-common";
import { buildPath, NODES, uploadLockPath } from "../../lib/model/paths.ts";
import { createLocks } from "../../lib/zookeeper/locks.ts";
import { FakeProvider } from "../../test/harness/fake_provider.ts";
import type { TestLauncher } from "../../test/harness/launcher.ts";
import {
  ask,
  callContext,
  fulfilled,
  type LauncherCase,
  simple,
  untilStates,
} from "../../test/harness/launcher_case.ts";
import { launcherCases } from "../../test/harness/suites.ts";

describe("launcher: erasing a provider's records", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  const erase = async ({ providers }: TestLauncher, provider: string) => {
    const reply = await providers.eraseProviderData({ name: `providers/${provider}` }, callContext);
    return [reply.erasedNodes, reply.erasedUploads, reply.kept];
  };

  it("deletes its nodes and uploads, leaves what it runs, and does not touch another provider", async () => {
    one = await cases.begin("old", "new");
    const old = new FakeProvider("old");
    const before = await one.launcher(simple(old, { minReady: 2 }));
    await untilStates(before, "ready", "ready");
    await before.stop();
    const fresh = await one.launcher(simple(new FakeProvider("new"), { minReady: 3 }));
    await untilStates(fresh, "ready", "ready", "ready");

    assert.deepEqual(await erase(fresh, "old"), [2, 1, []]);
    await untilStates(fresh, "ready", "ready", "ready");
    for (const { record } of fresh.view.nodes()) assert.equal(record?.provider, "new");
    assert.equal(old.instances.size, 2, "what runs at the provider");
    const [build] = fresh.view.image("image")?.builds ?? [];
    assert.ok(build);
    assert.deepEqual(await fresh.session.children(`${buildPath("image", build.build)}/providers`), ["new"]);
  });

  it("keeps what somebody has locked, and names it", async () => {
    one = await cases.begin("old");
    const before = await one.launcher(simple(new FakeProvider("old")));
    const [node] = await fulfilled(before, await ask(before, ["small"]));
    assert.ok(node);
    await one.stop(before);
    const launcher = await one.launcher(simple(new FakeProvider("new")));
    const [build] = launcher.view.image("image")?.builds ?? [];
    assert.ok(build);
    const path = uploadLockPath("image", build.build, "old", "0000000001");
    const lock = await createLocks(launcher.session).acquire(path);
    assert.ok(lock);
    const upload = `images/image/builds/${build.build}/providers/old/uploads/0000000001`;
    assert.deepEqual(await erase(launcher, "old"), [0, 0, [node.name, upload]]);
    await lock.release();
    assert.deepEqual(await erase(launcher, "old"), [0, 1, [node.name]]);
  });

  it("ends with its caller: what it has not come to is left", async () => {
    one = await cases.begin("old", "new");
    const before = await one.launcher(simple(new FakeProvider("old"), { minReady: 2 }));
    await untilStates(before, "ready", "ready");
    await one.stop(before);
    const launcher = await one.launcher(simple(new FakeProvider("new")));
    const caller = new AbortController();
    const { multi } = launcher.session;
    launcher.session.multi = async (operations) => {
      if (operations.some(({ path }) => path.startsWith(NODES)))
        caller.abort(new Error("the caller has gone"));
      return await multi.call(launcher.session, operations);
    };
    const call = { ...callContext, signal: caller.signal };
    const erasing = launcher.providers.eraseProviderData({ name: "providers/old" }, call);
    await assert.rejects(async () => await erasing, /the caller has gone/);
    await untilStates(launcher, "ready");
  });

  it("is refused while any launcher serves the provider", async () => {
    one = await cases.begin("old", "new");
    const old = await one.launcher(simple(new FakeProvider("old"), { minReady: 1 }));
    await untilStates(old, "ready");
    const other = await one.launcher(simple(new FakeProvider("new")));
    for (const asked of [old, other]) {
      await assert.rejects(erase(asked, "old"), {
        code: Status.FAILED_PRECONDITION,
        message:
          /providers\/old is still served: the launcher at .* take it out of every configuration first/,
      });
    }
    await untilStates(old, "ready");
  });

  it("says that no record names the provider", async () => {
    one = await cases.begin("old");
    const launcher = await one.launcher(simple(new FakeProvider("old")));
    await assert.rejects(erase(launcher, "odl"), /there is no record of provider 'providers\/odl'/);
  });
});
