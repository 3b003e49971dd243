// How a provider behaves when its place does not, and what it tells of things that are not ours.
import assert from "node:assert/strict";
import { test } from "node:test";
import { METADATA, ProviderError, QuotaError } from "../contract.ts";
import type { Abilities, Place, PlaceFaults } from "./place.ts";

/** Declares the tests of the faults that the place can be given. */
export function testFaults(place: Place, abilities: Abilities): void {
  const has = (fault: keyof PlaceFaults) => ({
    skip: abilities.faults?.includes(fault) ? false : "the place cannot be made to do it",
  });

  test("a call whose signal is aborted already is not made", async () => {
    const spec = place.instanceSpec();
    const signal = AbortSignal.abort(new Error("too late"));
    await assert.rejects(place.provider.createInstance(spec, async () => {}, signal));
    assert.deepEqual(await place.named(spec.name), []);
    await assert.rejects(place.provider.listInstances(signal));
  });

  test(
    "an instance whose create's reply was lost is found by the repeated create",
    has("loseCreateReply"),
    async () => {
      const spec = place.instanceSpec();
      await place.fault("loseCreateReply")();
      await assert.rejects(place.create(spec), (error) => error instanceof ProviderError && error.retryable);
      const [left] = await place.named(spec.name);
      assert.equal(left?.metadata[METADATA.launchToken], spec.metadata[METADATA.launchToken]);
      const instance = await place.create(spec);
      assert.equal(instance.externalId, left?.externalId);
      assert.equal((await place.named(spec.name)).length, 1);
      await place.remove(instance);
    },
  );

  test("a delete whose reply was lost can be repeated", has("loseDeleteReply"), async () => {
    const instance = await place.create(place.instanceSpec());
    await place.fault("loseDeleteReply")();
    await place.remove(instance).catch((error) => assert.ok(error instanceof ProviderError));
    await place.remove(instance);
    assert.deepEqual(await place.named(instance.name), []);
  });

  test("a full quota is an error of its own, and passes", has("exhaustQuota"), async () => {
    const spec = place.instanceSpec();
    const makeRoom = await place.fault("exhaustQuota")();
    await assert.rejects(place.create(spec), QuotaError);
    assert.deepEqual(await place.named(spec.name), []);
    await makeRoom();
    await place.remove(await place.create(spec));
  });

  test("a call that is refused for being one too many may be repeated", has("refuseNextCall"), async () => {
    const spec = place.instanceSpec();
    await place.fault("refuseNextCall")();
    const refused = await place.create(spec).catch((error: unknown) => error);
    if (refused instanceof Error) assert.ok(refused instanceof ProviderError && refused.retryable);
    await place.remove(await place.create(spec));
  });

  test(
    "an instance that does not come up fails with what the place says of it",
    has("failNextBoot"),
    async () => {
      const spec = place.instanceSpec();
      await place.fault("failNextBoot")();
      const error = await place.create(spec).catch((thrown: unknown) => thrown);
      assert.ok(error instanceof ProviderError);
      assert.notEqual(error.message, "");
      for (const left of await place.named(spec.name)) await place.remove(left);
      assert.deepEqual(await place.named(spec.name), []);
    },
  );

  test("a call that is never answered ends with its signal", has("hang"), async () => {
    const release = await place.fault("hang")();
    const reason = new ProviderError("the time is up");
    const calls = [
      (signal: AbortSignal) => place.provider.listInstances(signal),
      (signal: AbortSignal) => place.provider.createInstance(place.instanceSpec(), async () => {}, signal),
      (signal: AbortSignal) => place.provider.deleteInstance("anything", signal),
    ];
    for (const call of calls) {
      const controller = new AbortController();
      const ended = call(controller.signal);
      const timer = setTimeout(() => controller.abort(reason), 50);
      await assert.rejects(ended);
      clearTimeout(timer);
    }
    await release();
  });

  test(
    "an instance of somebody else is told apart and counted as foreign",
    has("addForeignInstance"),
    async () => {
      const foreign = await place.fault("addForeignInstance")({ owner: "somebody" });
      const ours = await place.provider.listInstances(place.signal());
      assert.equal(
        ours.some(({ externalId }) => externalId === foreign),
        false,
      );
      const theirs = (await place.provider.foreignInstances?.(place.signal())) ?? [];
      assert.equal(
        theirs.some(({ externalId }) => externalId === foreign),
        true,
      );
      await place.remove({ externalId: foreign });
    },
  );

  test("an instance of another Nodepool provider is foreign too", has("addForeignInstance"), async () => {
    const foreign = await place.fault("addForeignInstance")({ [METADATA.provider]: "another" });
    const theirs = (await place.provider.foreignInstances?.(place.signal())) ?? [];
    assert.equal(
      theirs.some(({ externalId }) => externalId === foreign),
      true,
    );
    await place.remove({ externalId: foreign });
  });

  test("an image of somebody else is not among our own", has("addForeignImage"), async () => {
    const foreign = await place.fault("addForeignImage")({ owner: "somebody" });
    const ours = await place.provider.listImages(place.signal());
    assert.equal(
      ours.some(({ externalId }) => externalId === foreign),
      false,
    );
    await place.provider.deleteImage(foreign, place.signal());
  });

  test("what was left behind is listed with its node until it is deleted", has("addLeftover"), async () => {
    const metadata = { [METADATA.provider]: place.provider.name, [METADATA.node]: "0000000077" };
    const { externalId, kind } = await place.fault("addLeftover")(metadata);
    const list = async () => (await place.provider.listLeftovers?.(place.signal())) ?? [];
    const found = (await list()).find((one) => one.externalId === externalId && one.kind === kind);
    assert.ok(found);
    assert.equal(found.node, "0000000077");
    await place.provider.deleteLeftover?.(found, place.signal());
    assert.equal(
      (await list()).some((one) => one.externalId === externalId && one.kind === kind),
      false,
    );
    await place.provider.deleteLeftover?.(found, place.signal());
  });

  test("the console of an instance that is gone is no text", async () => {
    const text = await place.provider.consoleLog("no-such-instance", place.signal()).catch((error) => {
      assert.ok(error instanceof ProviderError);
      return null;
    });
    assert.equal(text, null);
  });

  test("it tells its limits, and what a label takes is one instance", async () => {
    for (const value of Object.values(await place.provider.limits(place.signal()))) {
      assert.ok(value === undefined || value >= 0);
    }
    assert.equal(place.provider.resourcesOf("main", "small").instances, 1);
  });
}
