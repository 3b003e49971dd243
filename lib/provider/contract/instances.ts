// How a provider makes, lists and deletes instances.
import assert from "node:assert/strict";
import { test } from "node:test";
import { METADATA, NameTakenError } from "../contract.ts";
import type { Place } from "./place.ts";

/** Declares the tests about instances. */
export function testInstances(place: Place): void {
  test("a created instance runs, has an address and is listed with its metadata", async () => {
    const spec = place.instanceSpec();
    const instance = await place.create(spec);
    assert.equal(instance.state, "running");
    assert.equal(instance.name, spec.name);
    assert.notEqual(instance.interfaceIp, null);
    const listed = (await place.provider.listInstances(place.signal())).find(
      ({ name }) => name === spec.name,
    );
    assert.equal(listed?.externalId, instance.externalId);
    assert.equal(listed?.connectionPort, instance.connectionPort);
    assert.equal(listed?.state, "running");
    for (const [key, value] of Object.entries(spec.metadata)) assert.equal(listed?.metadata[key], value);
    await place.remove(instance);
  });

  test("an instance comes to lie in the zone that is asked for, of those that the provider has", async () => {
    for (const az of new Set(place.provider.zones?.() ?? [])) {
      const instance = await place.create(place.instanceSpec({ az }));
      assert.equal(instance.az, az);
      await place.remove(instance);
    }
  });

  test("the instance's id is told before it runs", async () => {
    const events: string[] = [];
    let told = "";
    const onExternalId = async (id: string) => {
      told = id;
      events.push("id");
    };
    const instance = await place.provider.createInstance(place.instanceSpec(), onExternalId, place.signal());
    events.push("created");
    assert.deepEqual(events, ["id", "created"]);
    assert.equal(told, instance.externalId);
    await place.remove(instance);
  });

  test("a repeated create with the same launch token finds the first instance", async () => {
    const spec = place.instanceSpec();
    const first = await place.create(spec);
    const second = await place.create(spec);
    assert.equal(second.externalId, first.externalId);
    assert.equal(second.connectionPort, first.connectionPort);
    const sameName = (await place.provider.listInstances(place.signal())).filter(
      ({ name }) => name === spec.name,
    );
    assert.equal(sameName.length, 1);
    await place.remove(first);
  });

  test("two creates at once with the same launch token make one instance", async () => {
    const spec = place.instanceSpec();
    const [first, second] = await Promise.all([place.create(spec), place.create(spec)]);
    assert.equal(first.externalId, second.externalId);
    await place.remove(first);
  });

  test("a create of another launch under the same name is refused while the first exists", async () => {
    const spec = place.instanceSpec();
    const first = await place.create(spec);
    const other = { ...spec, metadata: { ...spec.metadata, [METADATA.launchToken]: "another" } };
    await assert.rejects(place.create(other), NameTakenError);
    await place.remove(first);
    const second = await place.create(other);
    assert.equal(second.state, "running");
    await place.remove(second);
  });

  test("a deleted instance is gone, and deleting it again is no error", async () => {
    const instance = await place.create(place.instanceSpec());
    await place.remove(instance);
    const left = (await place.provider.listInstances(place.signal())).map(({ externalId }) => externalId);
    assert.equal(left.includes(instance.externalId), false);
    await place.remove(instance);
  });

  test("a cancelled create leaves nothing that the list does not show, and can be repeated", async () => {
    const spec = place.instanceSpec();
    const cancel = new AbortController();
    const onExternalId = async () => cancel.abort(new Error("cancelled"));
    await assert.rejects(place.provider.createInstance(spec, onExternalId, cancel.signal));
    const instance = await place.create(spec);
    assert.equal(instance.state, "running");
    await place.remove(instance);
  });

  test("a create whose id cannot be noted fails and leaves nothing that the list does not show", async () => {
    const spec = place.instanceSpec();
    const onExternalId = () => Promise.reject(new Error("not noted"));
    await assert.rejects(place.provider.createInstance(spec, onExternalId, place.signal()), /not noted/);
    for (const left of await place.provider.listInstances(place.signal())) {
      if (left.name === spec.name) await place.remove(left);
    }
  });
}
