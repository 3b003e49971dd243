import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Config, ProviderConfig } from "../../../lib/config/types.ts";
import type { Provider } from "../../../lib/provider/contract.ts";
import { pool } from "../../../test/harness/world.ts";
import {
  isEnabled,
  isOpen,
  labelOf,
  listedZones,
  offeredLabels,
  poolKey,
  poolRecord,
  type ServedPool,
  servedPools,
} from "./served.ts";

describe("a pool that is served", () => {
  it("is switched off by max-servers or max-concurrency of 0 or less, with all its labels by max-servers alone", () => {
    for (const [maxServers, maxConcurrency, isOn, offers] of [
      [1, 1, true, true],
      [0, 1, false, false],
      [-1, 1, false, false],
      [1, 0, false, true],
    ] as const) {
      const served = pool("cloud/main", ["small", "large"], { maxServers, provider: { maxConcurrency } });
      assert.equal(isEnabled(served), isOn);
      assert.equal(isOpen(served), offers);
      assert.deepEqual(offeredLabels(served), offers ? ["small", "large"] : []);
    }
  });

  it("says which labels it offers, and of which it keeps ready nodes: of hosts it keeps none", () => {
    const minReady = { small: 2, large: 0, huge: 1 };
    const config = {
      labels: new Map(
        Object.entries(minReady).map(([name, count]) => [name, { name, minReady: count, maxReadyAge: 0 }]),
      ),
    };
    const saidOf = (served: ServedPool) => {
      const { supportedLabels, extra } = poolRecord(served, config);
      return [supportedLabels, extra];
    };
    const labels = ["small", "large"];
    const launched = pool("cloud/main", labels);
    assert.deepEqual(saidOf(launched), [labels, { min_ready: { small: 2 } }]);
    assert.deepEqual(saidOf({ ...launched, hosts: [] }), [labels, { min_ready: {} }]);
    assert.deepEqual(saidOf(pool("cloud/main", labels, { maxServers: 0 })), [[], { min_ready: {} }]);
    const { id, name, providerName, priority } = poolRecord(launched, config);
    assert.deepEqual([id, name, providerName, priority], ["cloud/main", "main", "cloud", 100]);
    assert.equal(poolRecord(launched, config, { paused: true }).paused, true);
  });

  it("has its own settings of a label", () => {
    const served = pool("cloud/main", ["small", "large"]);
    assert.equal(labelOf(served, "large")?.name, "large");
    assert.equal(labelOf(served, "large"), labelOf(served, "large"));
    assert.equal(labelOf(served, "huge"), undefined);
  });

  it("lists the zones that are texts", () => {
    const zonesOf = (zones: unknown) =>
      listedZones(pool("cloud/main", [], { settings: { "availability-zones": zones } }));
    assert.deepEqual([zonesOf(["a", 5, "b"]), zonesOf("a"), zonesOf(undefined)], [["a", "b"], [], []]);
  });

  it("is known by its provider's name and its own, where a record has them", () => {
    assert.deepEqual([poolKey("cloud", "main"), poolKey(null, null)], ["cloud/main", "/"]);
  });
});

describe("the pools of a configuration", () => {
  const configOf = (...names: string[]): Pick<Config, "providers"> => ({
    providers: names.map((name) => pool(name, ["small"]).provider),
  });
  const driver = (name: string) =>
    ({ name, resourcesOf: (...of: string[]) => ({ instances: of.length }) }) as unknown as Provider;
  let given = 0;
  const uuid = () => `0-${given++}-a`;
  const serve = (
    config: Pick<Config, "providers">,
    drivers: Provider[],
    before: readonly ServedPool[] = [],
  ) => servedPools(config as Config, drivers, "host", uuid, before);

  it("are those of the providers that are there", () => {
    const [one, two] = [driver("one"), driver("two")];
    const served = serve(configOf("one/main", "gone/main", "two/side"), [two, one]);
    assert.deepEqual(
      served.map((each) => [
        each.provider.name,
        each.pool.name,
        each.driver === (each.provider.name === "one" ? one : two),
      ]),
      [
        ["one", "main", true],
        ["two", "side", true],
      ],
    );
    assert.deepEqual(served[0]?.resourcesOf("small"), { instances: 2 });
    assert.match(served[0]?.id ?? "", /^host-PoolWorker\.one-main-0\d+a$/);
  });

  it("stay the same where nothing has changed, and keep their ids whatever has", () => {
    const drivers = [driver("one"), driver("two")];
    const config = configOf("one/main", "two/main");
    const before = serve(config, drivers);
    const same = serve(configOf("one/main", "two/main"), drivers, before);
    assert.ok(same.every((each, index) => each === before[index]));

    const [first, second] = config.providers;
    const changed = { providers: [first, { ...second, launchRetries: 9 }] as ProviderConfig[] };
    const next = serve(changed, drivers, before);
    assert.equal(next[0], before[0]);
    assert.deepEqual([next[1]?.id, next[1]?.provider.launchRetries], [before[1]?.id, 9]);

    const opened = driver("one");
    const anew = serve(config, [opened, ...drivers.slice(1)], before);
    assert.equal(anew[0]?.driver, opened);
    assert.deepEqual([anew[0]?.id, anew[1]], [before[0]?.id, before[1]]);
  });
});
