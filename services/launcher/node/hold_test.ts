// A launcher on a real ZooKeeper keeps nodes for those who wish to look at them.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeNode, newNode, withNodeState } from "../../../lib/model/node.ts";
import { NODES, nodeLockPath, nodePath } from "../../../lib/model/paths.ts";
import { createLocks } from "../../../lib/zookeeper/locks.ts";
import { FakeProvider } from "../../../test/harness/fake_provider.ts";
import { until } from "../../../test/harness/launcher.ts";
import { simple } from "../../../test/harness/launcher_case.ts";
import { launcherCases } from "../../../test/harness/suites.ts";
import { withHoldWish } from "../request/own_data.ts";

describe("a wish to hold a node that is in use", () => {
  const cases = launcherCases();

  it("is known to a launcher that was started later, when Zuul has written the node without it", async () => {
    const one = await cases.begin("cloud");
    const session = await one.session();
    await session.ensurePath(NODES);
    const id = "0000000777";
    const now = Date.now() / 1000;
    const place = { provider: "cloud", pool: "main", type: ["small"], externalId: null };
    const inUse = newNode(now, { ...place, state: "in-use" });
    const wished = encodeNode(withHoldWish(inUse, { reason: "look at it", expireSeconds: 0 }));
    await session.create(nodePath(id), wished, "persistent");
    const lock = await createLocks(session).acquire(nodeLockPath(id));
    const launcher = await one.launcher(simple(new FakeProvider("cloud")));
    await session.set(nodePath(id), encodeNode(withNodeState(inUse, "used", now)), -1);
    await lock?.release();
    await until("it is held", () => launcher.view.node(id)?.record?.state === "hold");
    assert.equal(launcher.view.node(id)?.record?.comment, "look at it");
  });
});
