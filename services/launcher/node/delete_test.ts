// How often an instance's deletion is asked for; and a launcher on a real ZooKeeper deletes a node below which somebody goes
// on putting things.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { encodeNode, newNode } from "../../../lib/model/node.ts";
import { NODES, nodePath } from "../../../lib/model/paths.ts";
import { ProviderError } from "../../../lib/provider/contract.ts";
import { type Logger, silentLogger } from "../../../lib/std/logger.ts";
import { manualClock } from "../../../lib/zookeeper/contract/manual_clock.ts";
import { isZooKeeperError } from "../../../lib/zookeeper/types.ts";
import { FakeProvider } from "../../../test/harness/fake_provider.ts";
import { until } from "../../../test/harness/launcher.ts";
import { simple } from "../../../test/harness/launcher_case.ts";
import { launcherCases } from "../../../test/harness/suites.ts";
import type { Environment } from "../environment.ts";
import { removeUntilConfirmed } from "./delete.ts";

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

/** When (seconds) a provider is asked to delete a node's instance whose deletions end like this; the last one is confirmed. */
async function askedAt(...ends: ("hangs" | "fails")[]): Promise<number[]> {
  const { clock, advance } = manualClock();
  const asked: number[] = [];
  const deleteInstance = async () => {
    asked.push(clock.now() / 1000);
    const end = ends[asked.length - 1];
    if (end === "hangs") await new Promise(() => {});
    if (end === "fails") throw new ProviderError("503");
  };
  const driver = Object.assign(new FakeProvider("cloud"), { deleteInstance });
  // The longest pauses of those that chance may choose.
  const newUuid = () => "ffffffff";
  const context = { clock, providers: [driver], logger: silentLogger, newUuid };
  const environment = { context, checkpoint: () => {} } as unknown as Environment;
  const record = newNode(0, { state: "deleting", provider: "cloud", externalId: "fake-1" });
  let isDone = false;
  void removeUntilConfirmed(environment, "0001", record, []).finally(() => {
    isDone = true;
  });
  while (!isDone && clock.now() < 3_600_000) {
    await setImmediate();
    advance(500, 500);
  }
  return asked;
}

describe("a node's instance", () => {
  it("is deleted again when its provider has not answered for ten minutes, after a second", async () => {
    assert.deepEqual(await askedAt("hangs"), [0, 601]);
  });

  it("is deleted again after pauses that double with each failure, up to a minute", async () => {
    const asked = await askedAt(...Array<"fails">(9).fill("fails"));
    const pauses = asked.slice(1).map((time, index) => time - (asked[index] ?? 0));
    assert.deepEqual(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
  });
});
