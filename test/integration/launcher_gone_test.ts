// Two launchers that offer different labels, of which one goes away: for a moment, for a restart, or for good. What only
// it can serve waits for it at the other, and no longer than it is told.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Clock } from "../../lib/std/clock.ts";
import { AWAY_SECONDS } from "../../services/launcher/pool/away.ts";
import { failureOf } from "../../services/launcher/request/own_data.ts";
import { FakeProvider } from "../harness/fake_provider.ts";
import { type Setting, startTestLauncher, type TestLauncher, until } from "../harness/launcher.ts";
import {
  ask,
  askAsZuul,
  fulfilled,
  type LauncherCase,
  release,
  untilStates,
} from "../harness/launcher_case.ts";
import { leapingClock } from "../harness/leaping_clock.ts";
import { launcherCases } from "../harness/suites.ts";
import { TcpProxy } from "../harness/tcp_proxy.ts";

const KEYS = ["ssh-ed25519 AAAA"];

/** A launcher's own labels in a pool of its own, and room for so many nodes. */
const offering = (driver: FakeProvider, offers: string[], maxServers = Infinity): Setting => ({
  labels: Object.fromEntries(offers.map((label) => [label, {}])),
  providers: [{ driver, pools: [{ name: "main", offers, maxServers }] }],
});

describe("requests that only another launcher can serve", () => {
  const cases = launcherCases();
  let one: LauncherCase;
  let { cloud } = new FakeProvider("beta");
  const beta = (offers = ["large"], maxServers = 1) =>
    offering(new FakeProvider("beta", cloud), offers, maxServers);

  /** Begins a case, and a launcher in it of the label `small`. */
  async function begin(clock?: Clock): Promise<TestLauncher> {
    one = await cases.begin("cloud", "beta");
    cloud = new FakeProvider("beta").cloud;
    return await one.launcher(offering(new FakeProvider("cloud"), ["small"]), clock && { clock });
  }

  /** Remembers in which states this launcher has seen requests. */
  function statesSeen({ view }: TestLauncher): (request: string) => string[] {
    const seen: [string, string][] = [];
    view.subscribe(({ kind, id }) => {
      if (kind === "request") seen.push([id, view.request(id)?.record?.state ?? "gone"]);
    });
    return (request) => seen.flatMap(([id, state]) => (id === request ? [state] : []));
  }

  const placesSeen = ({ view }: TestLauncher) =>
    Array.from(view.pools(), ({ record }) => record?.providerName).join();

  /** Waits until it has seen that the other is gone, and has decided since. */
  async function decidedAlone(launcher: TestLauncher): Promise<void> {
    await until("the other is gone", () => placesSeen(launcher) === "cloud");
    await fulfilled(launcher, await ask(launcher, ["small"]));
  }

  it("wait while the other's session is lost, those that wait for room and those in its hands", async () => {
    const here = await begin();
    const statesOf = statesSeen(here);
    const proxy = new TcpProxy(cases.server);
    await proxy.listen();
    const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<string[]>()];
    let scans = 0;
    const there = await startTestLauncher(proxy, beta(["large"], 2), {
      chroot: one.chroot,
      scanHostKeys: async () => {
        scans += 1;
        if (scans !== 2) return KEYS;
        reached.resolve();
        return await gate.promise;
      },
    });
    try {
      const first = await ask(there, ["large"]);
      await fulfilled(there, first);
      const launching = await askAsZuul(here, { nodeTypes: ["large"] });
      await reached.promise;
      const waiting = await askAsZuul(here, { nodeTypes: ["large"] });
      const [made] = [...here.view.nodes()].filter(({ record }) => record?.allocatedTo === launching);
      proxy.mode = "cut";
      const { signal } = there.session;
      await cases.server.expire(there.session);
      await decidedAlone(here);
      assert.deepEqual(
        [launching, waiting].map((id) => here.view.request(id)?.record?.state),
        ["pending", "requested"],
      );
      proxy.mode = "pass";
      await until("it hears of that", () => signal.aborted);
      gate.resolve(KEYS);
      const nodeOf = (id: string) =>
        until(`${id} is served`, () => {
          const record = here.view.request(id)?.record;
          return record?.state === "fulfilled" ? record.nodes : null;
        });
      assert.deepEqual(await nodeOf(launching), [made?.id]);
      await until("it serves again", () => placesSeen(here).includes("beta"));
      await until("it is asked", () => release(there, first).catch(() => null));
      await nodeOf(waiting);
      for (const id of [launching, waiting]) assert.ok(!statesOf(id).includes("failed"));
    } finally {
      gate.resolve(KEYS);
      proxy.mode = "pass";
      await there.stop();
      await proxy.close();
    }
  });

  it("wait while the other is restarted", async () => {
    const here = await begin();
    const statesOf = statesSeen(here);
    const there = await one.launcher(beta());
    const first = await ask(there, ["large"]);
    await fulfilled(there, first);
    const waiting = await askAsZuul(here, { nodeTypes: ["large"] });
    await until("it is seen", () => here.view.request(waiting));
    await one.stop(there);
    await decidedAlone(here);
    const later = await ask(here, ["large"]);
    const again = await one.launcher(beta());
    await release(again, first);
    const state = () => here.view.request(waiting)?.record?.state;
    await until("it is served", () => state() === "fulfilled");
    assert.ok(!statesOf(waiting).includes("failed"));
    await release(again, later);
  });

  /**
   * The launcher of `small` alone, and requests for labels of the other, which was there and is gone; `begun` is one that
   * the other has begun to launch for.
   */
  async function leftAlone(labels: string[]) {
    const clock = leapingClock();
    const here = await begin(clock);
    const scanned = Promise.withResolvers<string[]>();
    const there = await one.launcher(beta(labels), { scanHostKeys: () => scanned.promise });
    const begun = await askAsZuul(here, { nodeTypes: labels.slice(0, 1) });
    await untilStates(here, "building");
    await one.stop(there);
    await decidedAlone(here);
    const ids = await Promise.all(labels.map((label) => askAsZuul(here, { nodeTypes: [label] })));
    await decidedAlone(here);
    const recordOf = (id = "") => here.view.request(id)?.record;
    for (const id of ids) assert.equal(recordOf(id)?.state, "requested");
    assert.equal(recordOf(begun)?.state, "pending");
    const failure = (id = "") =>
      until(`${id} fails`, () => {
        const record = recordOf(id);
        return record?.state === "failed" ? failureOf(record) : null;
      });
    return { clock, begun, ids, recordOf, failure };
  }

  it("fail with the reason when the other stays away", async () => {
    const { clock, begun, ids, failure } = await leftAlone(["large"]);
    clock.leap(AWAY_SECONDS * 1000);
    const why =
      /^no pool offers 'large'; offered are: small; beta\/main: its launcher has been away since \S+$/;
    for (const id of [begun, ...ids]) assert.match(await failure(id), why);
  });

  it("fail at once when the other comes back without their label", async () => {
    const { ids, recordOf, failure } = await leftAlone(["large", "huge"]);
    await one.launcher(beta(["huge"]));
    assert.equal(await failure(ids[0]), "no pool offers 'large'; offered are: huge, small");
    await until("the other is served", () => recordOf(ids[1])?.state === "fulfilled");
  });
});
