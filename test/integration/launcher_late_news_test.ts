// Launchers that hear of each other late and piece by piece, as at an ensemble under load.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Node_State } from "../../lib/rpc/gen/nodepool/v1/node.ts";
import { NodeRequest_State, type WatchRequestResponse } from "../../lib/rpc/gen/nodepool/v1/request.ts";
import { FakeProvider } from "../harness/fake_provider.ts";
import type { TestLauncher } from "../harness/launcher.ts";
import {
  ask,
  callContext,
  idOf,
  type LauncherCase,
  release,
  simple,
  untilStates,
} from "../harness/launcher_case.ts";
import { launcherCases } from "../harness/suites.ts";

const LIVES = 60;

/** Resolves as soon as the launcher sees the request in one of these states. */
async function seen(launcher: TestLauncher, request: string, states: readonly string[]): Promise<void> {
  const isThere = () => states.includes(launcher.view.request(request)?.record?.state ?? "");
  await new Promise<void>((resolve) => {
    const stop = launcher.view.subscribe(() => isThere() && done());
    const done = () => {
      stop();
      resolve();
    };
    if (isThere()) done();
  });
}

describe("launchers that hear of each other late", () => {
  const cases = launcherCases();
  let one: LauncherCase;

  it("tell that a request is fulfilled only with its nodes as they were handed over", async () => {
    one = await cases.begin("cloud");
    const cloud = new FakeProvider("cloud");
    const [here, there] = [
      await one.launcher(simple(cloud), { slowWire: true }),
      await one.launcher(simple(cloud, { maxServers: 0 }), { slowWire: true }),
    ];
    const life = async () => {
      const name = await ask(there, ["small", "small"]);
      const watch = there.requests.watchRequest({ name }, callContext);
      for await (const { event } of watch as AsyncIterable<WatchRequestResponse>) {
        if (event?.$case !== "status" || event.value.request?.state !== NodeRequest_State.STATE_FULFILLED)
          continue;
        const { nodes } = event.value;
        assert.deepEqual(
          nodes.map(({ state, hostKeys }) => [state, hostKeys.length]),
          [
            [Node_State.STATE_IN_USE, 1],
            [Node_State.STATE_IN_USE, 1],
          ],
        );
        break;
      }
      await release(here, name);
    };
    await Promise.all(Array.from({ length: LIVES }, life));
  });

  for (const [when, states, pause] of [
    ["when it is fulfilled", ["fulfilled"], 0],
    ["while it is launched for", ["pending", "fulfilled"], 20],
  ] as const) {
    it(`leave no node when a request is released at another one ${when}`, async () => {
      one = await cases.begin("cloud");
      const cloud = new FakeProvider("cloud");
      cloud.weather.createMs = 5;
      const launchers = [
        await one.launcher(simple(cloud), { slowWire: true }),
        await one.launcher(simple(cloud), { slowWire: true }),
      ];
      const live = async (turn: number) => {
        const [here, there] = turn % 2 === 0 ? launchers : launchers.toReversed();
        assert.ok(here && there);
        const name = await ask(here, ["small", "small"]);
        await seen(there, idOf(name), states);
        if (pause > 0) await new Promise((resolve) => setTimeout(resolve, turn % pause));
        await release(there, name);
      };
      await Promise.all(Array.from({ length: LIVES }, (_, turn) => live(turn)));
      for (const launcher of launchers) await untilStates(launcher);
      assert.equal(cloud.instances.size, 0);
    });
  }
});
