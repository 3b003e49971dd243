// A launcher on a real ZooKeeper that does not hear whether a client's request was made.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ROOT } from "../../../lib/model/paths.ts";
import { catchUp } from "../../../lib/zookeeper/settle.ts";
import { type Session, ZooKeeperError } from "../../../lib/zookeeper/types.ts";
import { FakeProvider } from "../../../test/harness/fake_provider.ts";
import { ask, fulfilled, type LauncherCase, simple } from "../../../test/harness/launcher_case.ts";
import { launcherCases } from "../../../test/harness/suites.ts";

type Create = Session["createWithStat"];

describe("a request whose creation is not answered", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  /** A launcher whose next creation of a request is done by `create` instead; the others are done as ever. */
  async function launcherWith(create: (done: Create) => Create) {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud")));
    const { session } = launcher;
    const done = session.createWithStat.bind(session);
    session.createWithStat = async (...given) => {
      session.createWithStat = done;
      return await create(done)(...given);
    };
    return launcher;
  }

  for (const code of ["CONNECTION_LOSS", "OPERATION_TIMEOUT", "SESSION_MOVED", "THROTTLED"] as const) {
    it(`is found, and not made twice, when it was made: ${code}`, async () => {
      const launcher = await launcherWith((done) => async (...given) => {
        await done(...given);
        throw new ZooKeeperError(code, "no answer", given[0]);
      });
      await fulfilled(launcher, await ask(launcher, ["small"]));
      assert.equal([...launcher.view.requests()].length, 1);
    });
  }

  it("is the caller's to make again when it was not made", async () => {
    const launcher = await launcherWith(() => async (path) => {
      throw new ZooKeeperError("CONNECTION_LOSS", "no answer", path);
    });
    await assert.rejects(ask(launcher, ["small"]), { code: "CONNECTION_LOSS" });
    await catchUp(launcher, ROOT);
    assert.deepEqual([...launcher.view.requests()], []);
  });
});
