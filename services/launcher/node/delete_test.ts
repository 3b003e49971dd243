// A launcher on a real ZooKeeper deletes a node below which somebody goes on putting things.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeNode, newNode } from "../../../lib/model/node.ts";
import { NODES, nodePath } from "../../../lib/model/paths.ts";
import { type Logger, silentLogger } from "../../../lib/std/logger.ts";
import { isZooKeeperError } from "../../../lib/zookeeper/types.ts";
import { FakeProvider } from "../../../test/harness/fake_provider.ts";
import { until } from "../../../test/harness/launcher.ts";
import { simple } from "../../../test/harness/launcher_case.ts";
import { launcherCases } from "../../../test/harness/suites.ts";

describe("a node's record", () => {
  const cases = launcherCases();

  it("goes with all that comes below it while it is removed, at the second try at once and then after a pause", async () => {
    const one = await cases.begin("cloud");
    const outside = await one.session();
    const pauses: unknown[] = [];
    const logger: Logger = {
      ...silentLogger,
      child: () => logger,
      warn: (message, fields = {}) => message.startsWith("deletion failed") && pauses.push(fields.failures),
    };
    const { session } = await one.launcher(simple(new FakeProvider("cloud")), { logger });
    const id = "0000000777";
    const { multi } = session;
    let refused = 0;
    session.multi = async (operations) => {
      const isRemoval = operations.some((step) => step.kind === "delete" && step.path === nodePath(id));
      if (isRemoval && refused < 2) await outside.ensurePath(`${nodePath(id)}/note-${refused}/of somebody`);
      try {
        return await multi.call(session, operations);
      } catch (error) {
        if (isRemoval && isZooKeeperError(error, "NOT_EMPTY")) refused += 1;
        throw error;
      }
    };
    const place = { provider: "cloud", pool: "main", type: ["small"] };
    const used = newNode(Date.now() / 1000, { ...place, state: "used" });
    await outside.create(`${NODES}/${id}`, encodeNode(used), "persistent");
    await until("the node is gone", async () => (await outside.exists(nodePath(id))) === null);
    assert.deepEqual({ refused, pauses }, { refused: 2, pauses: [1] });
  });
});
