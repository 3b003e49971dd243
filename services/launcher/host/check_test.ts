import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type HostCheck, ProviderError } from "../../../lib/provider/contract.ts";
import { systemClock } from "../../../lib/std/clock.ts";
import { Gate } from "../../../lib/std/gate.ts";
import { silentLogger } from "../../../lib/std/logger.ts";
import { openView } from "../../../lib/zookeeper/tree_view.ts";
import { host, hostPool } from "../../../test/harness/host_world.ts";
import { hostsConfig } from "../../../test/harness/hosts.ts";
import { until } from "../../../test/harness/launcher.ts";
import { launcherCases } from "../../../test/harness/suites.ts";
import type { HostStatus } from "../actions.ts";
import { DriverUses } from "../driver_uses.ts";
import type { Environment } from "../environment.ts";
import { examineHost } from "./check.ts";
import { hostKey } from "./slots.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("the check of a host", () => {
  const cases = launcherCases();

  it("counts as under way while it waits for its turn, and no longer when it ends without one", async () => {
    const hosts = new Map<string, HostStatus>();
    const [taken, gate] = [Promise.withResolvers<void>(), new Gate(1)];
    const stop = new AbortController();
    const environment = {
      hand: { hosts },
      hostGate: gate,
      hostChecks: new Map(),
      context: { clock: systemClock },
      tasks: { signal: stop.signal },
    };
    const other = gate.pass(() => taken.promise);
    const one = host();
    const placed = { pool: hostPool("lab/main", [one]), host: one };
    const check = examineHost(environment as unknown as Environment, placed, stop.signal);
    const since = () => hosts.get(hostKey(placed))?.checkingSince;
    await turn();
    assert.equal(typeof since(), "number");
    stop.abort(new Error("the launcher stops"));
    taken.resolve();
    await assert.rejects(check, /the launcher stops/);
    await other;
    await turn();
    assert.equal(since(), null);
  });

  it("is one at a time for each host; those who ask while it is under way share the next", async () => {
    const one = host();
    const placed = { pool: hostPool("lab/main", [one]), host: one };
    const begun: PromiseWithResolvers<HostCheck>[] = [];
    const checkHost = () => {
      const check = Promise.withResolvers<HostCheck>();
      begun.push(check);
      return check.promise;
    };
    const environment = {
      hand: { hosts: new Map() },
      hostGate: new Gate(9),
      hostChecks: new Map(),
      context: { clock: systemClock, providers: [{ name: "lab", checkHost }] },
      tasks: { signal: new AbortController().signal },
      uses: new DriverUses(),
      checkpoint: () => {},
    };
    const examine = () =>
      examineHost(environment as unknown as Environment, placed, AbortSignal.timeout(10_000));
    const passed = { hostKeys: [], ipv4: "127.0.0.1", ipv6: null };
    const first = examine();
    await until("the first check", () => begun.length === 1);
    const others = [examine(), examine(), examine()];
    await turn();
    assert.equal(begun.length, 1);
    begun[0]?.resolve(passed);
    await first;
    await until("the next check", () => begun.length === 2);
    begun[1]?.resolve(passed);
    await Promise.all(others);
    assert.equal(begun.length, 2);
  });

  it("says nothing of the host when it fails because the launcher has slept past its session", async () => {
    const one = await cases.begin();
    const setting = hostsConfig([{ labels: ["small"], "host-key-checking": false }]);
    const [driver] = setting.providers;
    assert.ok(driver);
    const cut = Promise.withResolvers<void>();
    let checks = 0;
    driver.checkHost = async (): Promise<HostCheck> => {
      checks += 1;
      if (checks > 1) return { hostKeys: [], ipv4: "127.0.0.1", ipv6: null };
      await cut.promise;
      throw new ProviderError("it did not answer");
    };
    const view = openView(await one.session(), silentLogger);
    await view.ready();
    const states = new Set<string | undefined>();
    view.subscribe(({ kind, id }) => {
      if (kind === "node") states.add(view.node(id)?.record?.state);
    });
    const launcher = await one.launcher(setting);
    await until("the first check", () => checks === 1);
    // As after a sleep: the connection is gone, and nobody knows yet that the session is, too.
    launcher.session.onState((state) => {
      if (state !== "connected") cut.resolve();
    });
    await cases.server.expire(launcher.session as never);
    await until("the slot is ready", () => states.has("ready"));
    await view.close();
    assert.deepEqual([...states], ["ready"]);
  });
});
