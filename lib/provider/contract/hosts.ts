// What every provider of hosts must do: machines that are there already, whose slots are recorded as ready nodes.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Host, NotFoundError, type Provider, ProviderError } from "../contract.ts";

/** Hosts to test against. */
export interface HostsUnderTest {
  /** Started. */
  readonly provider: Provider;
  /** Answers, with the keys that it has in the configuration. */
  readonly good: Host;
  /** Answers, and the configuration has no keys. */
  readonly scanned: Host;
  /** The keys of {@link scanned}. */
  readonly keys: readonly string[];
  /** Takes connections and says nothing. Its timeout is a second. */
  readonly hanging: Host;
  /** Nothing listens there. */
  readonly closed: Host;
  /** Has a name that does not resolve. */
  readonly lost: Host;
  /** Answers with other keys than the configuration has. */
  readonly changed: Host;
  /** Has something in the configuration that cannot be used. */
  readonly broken: Host;
  close(): Promise<void>;
}

/** Declares the tests. */
export function testHosts(name: string, open: () => Promise<HostsUnderTest>): void {
  describe(`${name} keeps the contract of providers of hosts`, () => {
    let place: HostsUnderTest;
    before(async () => {
      place = await open();
    });
    after(() => place.close());
    const never = new AbortController().signal;
    const check = async (host: Host, signal = never) => {
      assert.ok(place.provider.checkHost);
      return await place.provider.checkHost(host, signal);
    };
    const refused = (host: Host, why: RegExp) =>
      assert.rejects(check(host), (error: unknown) => {
        assert.ok(error instanceof ProviderError);
        assert.match(error.message, why);
        return true;
      });

    test("it says how many hosts it has, and what is wrong with which", () => {
      const { summary, problem } = place.provider.describe();
      assert.match(summary, /\d+ hosts/);
      assert.ok(problem?.includes(place.broken.identity), `${problem}`);
    });

    test("it has no instances and no images, and launches nothing", async () => {
      const { provider } = place;
      assert.deepEqual(await provider.listInstances(never), []);
      assert.deepEqual(await provider.listImages(never), []);
      assert.equal(await provider.consoleLog(place.good.name, never), null);
      const spec = {
        name: "np1",
        pool: place.good.pool,
        label: place.good.labels[0] ?? "",
        imageExternalId: "image",
        username: null,
        az: null,
        request: null,
        metadata: {},
      };
      await assert.rejects(
        provider.createInstance(spec, async () => {}, never),
        (error: unknown) => error instanceof NotFoundError && !error.retryable,
      );
    });

    test("deleting a node of a host leaves the host alone, however often", async () => {
      await place.provider.deleteInstance(place.good.name, never);
      await place.provider.deleteInstance(place.good.name, never);
      await check(place.good);
    });

    test("a good host passes, with its address and the keys of the configuration", async () => {
      const found = await check(place.good);
      assert.deepEqual(found.hostKeys, place.good.hostKeys);
      assert.notEqual(found.ipv4 ?? found.ipv6, null);
    });

    test("without keys in the configuration it passes with those that it has", async () => {
      const { hostKeys } = await check(place.scanned);
      assert.deepEqual([...hostKeys].sort(), [...place.keys].sort());
    });

    test("a host with other keys is refused with what it shows and what is expected", async () => {
      await refused(place.changed, /SHA256:.*SHA256:/);
    });

    test("a host that is not there, has no address or is wrong in the configuration is refused with the reason", async () => {
      await refused(place.closed, new RegExp(`${place.closed.port}`));
      await refused(place.lost, new RegExp(`${place.lost.name.replaceAll(".", "\\.")} does not resolve`));
      await refused(place.broken, /configuration/);
    });

    test("a host that hangs is refused at its timeout, and delays no other", async () => {
      const hanging = Promise.allSettled(Array.from({ length: 20 }, () => check(place.hanging)));
      let isOver = false;
      void hanging.then(() => {
        isOver = true;
      });
      await check(place.good);
      assert.equal(isOver, false, "the good one was checked while the others hung");
      for (const result of await hanging) {
        assert.equal(result.status, "rejected");
        if (result.status === "rejected") assert.match(String(result.reason), /within 1 s/);
      }
    });

    test("a check ends with its signal", async () => {
      const stop = new AbortController();
      const patient = { ...place.hanging, timeout: 3600 };
      const ended = check(patient, stop.signal);
      stop.abort(new Error("enough"));
      await assert.rejects(ended);
      await assert.rejects(check(place.good, AbortSignal.abort(new Error("too late"))));
    });
  });
}
