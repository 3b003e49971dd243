// What every provider must do, as tests. A driver's own test calls {@link testProvider} with the most real place
// that it can have. What a place cannot do is named in {@link Abilities}; the tests about it are skipped then.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { testFaults } from "./contract/faults.ts";
import { testImages } from "./contract/images.ts";
import { testInstances } from "./contract/instances.ts";
import { testLogin } from "./contract/login.ts";
import { type Abilities, Place, type ProviderUnderTest } from "./contract/place.ts";

export type { Abilities, PlaceFaults, ProviderUnderTest } from "./contract/place.ts";

/**
 * Declares the contract's tests.
 * @param skip why they cannot run here; null to run them
 * @param abilities what the place has beside instances; a place takes images and lets us log in unless it says no
 */
export function testProvider(
  name: string,
  open: () => Promise<ProviderUnderTest>,
  skip: string | null,
  abilities: Abilities = {},
): void {
  describe(`${name} keeps the provider contract`, { skip: skip ?? false }, () => {
    const place = new Place(open, abilities);
    before(() => place.open());
    after(() => place.close());

    test("it says how it runs nodes", () => {
      assert.notEqual(place.provider.describe().summary, "");
    });
    if (abilities.images !== false) testImages(place);
    testInstances(place);
    if (abilities.login !== false) testLogin(place);
    testFaults(place, abilities);
  });
}
