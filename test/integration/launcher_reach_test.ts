// Launches of nodes that are not reached by SSH: they are ready when something listens, as those with SSH when their
// host keys are known.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sharedOf } from "../../lib/model/shared_node.ts";
import { FakeProvider } from "../harness/fake_provider.ts";
import { type Setting, until } from "../harness/launcher.ts";
import { ask, fulfilled, type LauncherCase, look, simple, statesOf } from "../harness/launcher_case.ts";
import { recordOf, shared, take } from "../harness/metastatic.ts";
import { launcherCases } from "../harness/suites.ts";

/** The setting with nodes of its first provider that are reached by WinRM. */
function byWinrm({ providers: [cloud, ...others], ...setting }: Setting): Setting {
  assert.ok(cloud);
  const diskimages = [{ name: "image", connectionType: "winrm", connectionPort: 5986 } as never];
  return { ...setting, providers: [{ ...cloud, config: { ...cloud.config, diskimages } }, ...others] };
}

describe("a launch of a node that is reached by WinRM", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  it("waits until its port answers, for as long as boot-timeout says", async () => {
    one = await cases.begin("cloud");
    const timeouts: number[] = [];
    const listens = Promise.withResolvers<void>();
    const [provider] = simple(new FakeProvider("cloud")).providers;
    assert.ok(provider);
    const setting = { labels: { small: {} }, providers: [{ ...provider, config: { bootTimeout: 7 } }] };
    const launcher = await one.launcher(byWinrm(setting), {
      reach: async ({ timeoutMs }) => {
        timeouts.push(timeoutMs);
        await listens.promise;
      },
    });
    const name = await ask(launcher, ["small"]);
    await until("it is connected to", () => timeouts.length > 0);
    assert.deepEqual(timeouts, [7000]);
    assert.deepEqual(statesOf(launcher), ["building"]);
    listens.resolve();
    const [node] = await fulfilled(launcher, name);
    assert.deepEqual(node?.hostKeys, []);
  });

  it("is tried again, and fails with the reason, when nothing answers", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(byWinrm(simple(cloud, { launchRetries: 2 })), {
      reach: async () => {
        throw new Error("nothing answers at 127.0.0.1 port 5986");
      },
    });
    const name = await ask(launcher, ["small"]);
    const reason = await until("it failed", async () => {
      const { request } = await look(launcher, name);
      return request.state === "STATE_FAILED" && request.reason;
    });
    assert.match(reason, /nothing answers at 127\.0\.0\.1 port 5986/);
    assert.equal(cloud.cloud.made.length, 2);
  });

  it("retires a backing node that does not answer, and puts the node elsewhere", async () => {
    one = await cases.begin("cloud");
    let times = 0;
    const setting = shared(
      new FakeProvider("cloud"),
      { share: { "grace-time": 3600 } },
      { hostKeyChecking: true },
    );
    const launcher = await one.launcher(byWinrm(setting), {
      reach: async () => {
        times += 1;
        // The backing node, the first node on it, and the second one.
        if (times === 3) throw new Error("no answer");
      },
    });
    const first = await take(launcher);
    const second = await take(launcher);
    assert.notEqual(second.backing, first.backing);
    assert.equal(sharedOf(recordOf(launcher, first.backing))?.failed, true);
  });
});
