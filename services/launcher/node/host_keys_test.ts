import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { Instance, Provider } from "../../../lib/provider/contract.ts";
import { node, pool } from "../../../test/harness/world.ts";
import type { Environment } from "../environment.ts";
import type { Launch } from "../state.ts";
import { readHostKeys, SCANS_AT_ONCE } from "./host_keys.ts";

/** Launches whose nodes answer when they are told to. */
class Scans {
  readonly begun: string[] = [];
  readonly #answers = new Map<string, () => void>();
  readonly #environment: Environment;

  constructor() {
    const wait = ({ host }: { readonly host: string }) => {
      const { promise, resolve } = Promise.withResolvers<string[]>();
      this.begun.push(host);
      this.#answers.set(host, () => resolve([`key of ${host}`]));
      return promise;
    };
    const providers = ["alpha", "beta"].map((name) => ({ name }) as Provider);
    this.#environment = {
      context: { providers },
      scanHostKeys: wait,
      reach: wait,
      checkpoint: async () => undefined,
    } as unknown as Environment;
  }

  read(host: string, { provider = "alpha", signal = new AbortController().signal, type = "ssh" } = {}) {
    const more = { provider, interfaceIp: host, connectionType: type };
    const { record } = node(host, "building", more);
    assert.ok(record);
    const launch = { node: host, label: "small", pool: pool(`${provider}/main`, ["small"]) } as Launch;
    return readHostKeys(this.#environment, launch, { instance: {} as Instance, record, signal });
  }

  answer(host: string): void {
    this.#answers.get(host)?.();
  }
}

describe("the host keys of nodes that are launched", () => {
  it(`are waited for at ${SCANS_AT_ONCE} nodes of a provider at once; the others wait in turn`, async () => {
    const scans = new Scans();
    const all = Array.from({ length: SCANS_AT_ONCE + 2 }, (_none, index) => `host${index}`);
    const [first = "", ...others] = all;
    const last = others.slice(-2);
    const reading = new Map(
      all.map((host) => [host, scans.read(host, { type: last.includes(host) ? "winrm" : "ssh" })]),
    );
    await setImmediate();
    assert.equal(SCANS_AT_ONCE, 100);
    assert.deepEqual(scans.begun, all.slice(0, 100));
    const other = scans.read("elsewhere", { provider: "beta" });
    scans.answer(first);
    assert.deepEqual(await reading.get(first), [`key of ${first}`]);
    await setImmediate();
    assert.deepEqual(scans.begun.slice(100), ["elsewhere", last[0]]);
    scans.answer("elsewhere");
    assert.deepEqual(await other, ["key of elsewhere"]);
    await setImmediate();
    assert.equal(scans.begun.length, 102, "what ends at one provider is no turn at another");
    for (const host of others.slice(0, 3)) scans.answer(host);
    await setImmediate();
    assert.deepEqual(scans.begun.slice(102), [last[1]]);
    for (const host of all) scans.answer(host);
    await Promise.all(reading.values());
  });

  it("are not waited for by a launch that ends before its turn", async () => {
    const scans = new Scans();
    const all = Array.from({ length: SCANS_AT_ONCE }, (_none, index) => `host${index}`);
    const reading = all.map((host) => scans.read(host));
    const ended = new AbortController();
    const late = scans.read("late", { signal: ended.signal });
    ended.abort(new Error("launch-timeout"));
    await assert.rejects(late, /^Error: launch-timeout$/);
    for (const host of all) scans.answer(host);
    await Promise.all(reading);
    assert.equal(scans.begun.includes("late"), false);
  });
});
