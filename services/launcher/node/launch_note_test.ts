// The launcher on a real ZooKeeper with a provider in memory: that a node has an instance is written while the instance
// boots.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeNode } from "../../../lib/model/node.ts";
import { type Operation, ZooKeeperError } from "../../../lib/zookeeper/types.ts";
import { FakeProvider } from "../../../test/harness/fake_provider.ts";
import { type TestLauncher, until } from "../../../test/harness/launcher.ts";
import { askAsZuul, simple, statesOf } from "../../../test/harness/launcher_case.ts";
import { launcherCases } from "../../../test/harness/suites.ts";

const stateOf = (launcher: TestLauncher, request: string) => launcher.view.request(request)?.record?.state;

/** Whether a transaction writes down an instance that boots. */
function isNote(operations: readonly Operation[]): boolean {
  return operations.some((operation) => {
    if (operation.kind !== "set" || !operation.path.includes("/nodes/")) return false;
    const node = decodeNode(operation.data);
    return node?.state === "building" && node.externalId !== null;
  });
}

/** Whether a transaction hands a request its nodes. */
const isHandOver = (operations: readonly Operation[]) =>
  operations.some(({ kind, path }) => kind === "set" && path.includes("/requests/"));

describe("launcher: the note of a node's instance", () => {
  const cases = launcherCases();

  it("holds up nothing that follows it", async () => {
    const one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud")));
    const multi = launcher.session.multi.bind(launcher.session);
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    launcher.session.multi = async (operations) => {
      const results = await multi(operations);
      if (isNote(operations)) await answered;
      return results;
    };
    const request = await askAsZuul(launcher, { nodeTypes: ["small"] });
    await until("it has its node", () => stateOf(launcher, request) === "fulfilled");
    answer();
  });

  for (const loss of ["while the instance boots", "when the launch has ended"] as const) {
    it(`is written anew, of the same instance, when it is lost and that is heard ${loss}`, async () => {
      const one = await cases.begin("cloud");
      const cloud = new FakeProvider("cloud");
      const launcher = await one.launcher(simple(cloud));
      const multi = launcher.session.multi.bind(launcher.session);
      const { promise: ended, resolve: end } = Promise.withResolvers<void>();
      let notes = 0;
      launcher.session.multi = async (operations) => {
        if (isHandOver(operations) && notes === 1) end();
        if (!isNote(operations)) return await multi(operations);
        notes += 1;
        if (notes > 1) return await multi(operations);
        if (loss === "when the launch has ended") await ended;
        throw new ZooKeeperError("CONNECTION_LOSS", "lost on its way");
      };
      const request = await askAsZuul(launcher, { nodeTypes: ["small"] });
      await until("it has its node", () => stateOf(launcher, request) === "fulfilled");
      assert.deepEqual([notes, cloud.cloud.made.length], [2, 1]);
      assert.deepEqual(statesOf(launcher), ["ready"]);
    });
  }

  it("ends the launch of a node that somebody else has written to", async () => {
    const one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const launcher = await one.launcher(simple(cloud));
    const create = cloud.createInstance.bind(cloud);
    let begun = 0;
    cloud.createInstance = async (spec, note, signal) => {
      begun += 1;
      if (begun > 1) return await create(spec, note, signal);
      const path = `/nodepool/nodes/${spec.name.slice(2)}`;
      const { data, stat } = await launcher.session.get(path);
      await launcher.session.set(path, data, stat.version);
      const instance = await create(spec, note, signal);
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      return instance;
    };
    const request = await askAsZuul(launcher, { nodeTypes: ["small"] });
    await until("it has its node", () => stateOf(launcher, request) === "fulfilled");
    assert.deepEqual([begun, cloud.cloud.made.length], [2, 1]);
  });
});
