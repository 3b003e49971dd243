// The answer of DeleteNode, on a real ZooKeeper.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeNode, newNode } from "../../../lib/model/node.ts";
import { NODES, nodeLockPath, nodePath } from "../../../lib/model/paths.ts";
import { createLocks } from "../../../lib/zookeeper/locks.ts";
import { FakeProvider } from "../../../test/harness/fake_provider.ts";
import { until } from "../../../test/harness/launcher.ts";
import { callContext, simple } from "../../../test/harness/launcher_case.ts";
import { launcherCases } from "../../../test/harness/suites.ts";

describe("a node that somebody has locked, when it is deleted", () => {
  const cases = launcherCases();

  it("is shown without the lock that it was taken from", async () => {
    const one = await cases.begin("cloud");
    const session = await one.session();
    await session.ensurePath(NODES);
    const id = "0000000777";
    // Its provider is served by nobody: no launcher locks it to go on with its deletion.
    const place = { provider: "elsewhere", pool: "main", type: ["small"] };
    const inUse = newNode(Date.now() / 1000, { ...place, state: "in-use" });
    await session.create(nodePath(id), encodeNode(inUse), "persistent");
    await createLocks(session).acquire(nodeLockPath(id));
    const launcher = await one.launcher(simple(new FakeProvider("cloud")));
    await until("its lock is known", () => launcher.view.node(id)?.lock.contenders.length === 1);
    const { node } = await launcher.nodes.deleteNode({ name: `nodes/${id}` }, callContext);
    assert.equal(node?.locked, false);
  });
});
