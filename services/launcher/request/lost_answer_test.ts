// A launcher on a real ZooKeeper that does not hear whether a client's request was made.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { REQUESTS, ROOT } from "../../../lib/model/paths.ts";
import { abortable } from "../../../lib/std/abortable.ts";
import { type Clock, systemClock } from "../../../lib/std/clock.ts";
import { within } from "../../../lib/zookeeper/contract/fixture.ts";
import { catchUp } from "../../../lib/zookeeper/settle.ts";
import { type Session, ZooKeeperError } from "../../../lib/zookeeper/types.ts";
import { FakeProvider } from "../../../test/harness/fake_provider.ts";
import { until } from "../../../test/harness/launcher.ts";
import {
  ask,
  callContext,
  fulfilled,
  type LauncherCase,
  simple,
} from "../../../test/harness/launcher_case.ts";
import { launcherCases } from "../../../test/harness/suites.ts";

type Commit = Session["multi"];

describe("a request whose creation is not answered", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  /** A launcher whose next creation of a request is done by `create` instead; whatever else is done as ever. */
  async function launcherWith(create: (done: Commit) => Commit, clock: Clock = systemClock) {
    one = await cases.begin("cloud");
    const launcher = await one.launcher(simple(new FakeProvider("cloud")), { clock });
    const { session } = launcher;
    const done = session.multi.bind(session);
    session.multi = async (steps) => {
      if (!steps.some(({ kind, path }) => kind === "create" && path.startsWith(`${REQUESTS}/`)))
        return await done(steps);
      session.multi = done;
      return await create(done)(steps);
    };
    return launcher;
  }

  for (const code of ["CONNECTION_LOSS", "OPERATION_TIMEOUT", "SESSION_MOVED", "THROTTLED"] as const) {
    it(`is found, and not made twice, when it was made: ${code}`, async () => {
      const launcher = await launcherWith((done) => async (steps) => {
        await done(steps);
        throw new ZooKeeperError(code, "no answer", REQUESTS);
      });
      await fulfilled(launcher, await ask(launcher, ["small"]));
      assert.equal([...launcher.view.requests()].length, 1);
    });
  }

  it("is the caller's to make again when it was not made", async () => {
    const launcher = await launcherWith(() => async () => {
      throw new ZooKeeperError("CONNECTION_LOSS", "no answer", REQUESTS);
    });
    await assert.rejects(ask(launcher, ["small"]), { code: "CONNECTION_LOSS" });
    await catchUp(launcher, ROOT);
    assert.deepEqual([...launcher.view.requests()], []);
  });

  it("is the caller's to make again when there is no connection for a while, by the launcher's clock", async () => {
    const waits: (() => void)[] = [];
    const clock: Clock = {
      ...systemClock,
      after: (milliseconds, callback) => {
        if (milliseconds !== 5000) return systemClock.after(milliseconds, callback);
        waits.push(callback);
        return () => {};
      },
    };
    const unanswered = () => async () => {
      throw new ZooKeeperError("CONNECTION_LOSS", "no answer", REQUESTS);
    };
    const launcher = await launcherWith(unanswered, clock);
    launcher.view.ready = (signal) => abortable(new Promise(() => {}), signal ?? callContext.signal);
    waits.length = 0;
    const asked = assert.rejects(ask(launcher, ["small"]), { code: "CONNECTION_LOSS" });
    await until("a limit to the wait", () => waits.length > 0);
    for (const end of waits) end();
    await within(3000, asked, "the answer");
  });
});
