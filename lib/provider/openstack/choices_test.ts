import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openStackLabel } from "../../../test/harness/openstack_label.ts";
import { NotFoundError, ProviderError } from "../contract.ts";
import { chooseFlavor, chooseNetworks } from "./choices.ts";
import type { LabelSettings } from "./settings.ts";

const flavors = [
  { id: "3", name: "large", cores: 4, ram: 8192 },
  { id: "2", name: "perf-b", cores: 2, ram: 4096 },
  { id: "1", name: "perf-a", cores: 2, ram: 4096 },
  { id: "0", name: "small", cores: 1, ram: 1024 },
];
const chosen = (changes: Partial<LabelSettings>) => chooseFlavor(flavors, openStackLabel(changes)).name;

describe("the flavor of a label", () => {
  test("with min-ram it is the smallest that has so much, of equals the first by name", () => {
    assert.equal(chosen({ minRam: 1 }), "small");
    assert.equal(chosen({ minRam: 1025 }), "perf-a");
    assert.equal(chosen({ minRam: 5000 }), "large");
  });

  test("with min-ram the name needs only be in the flavor's", () => {
    assert.equal(chosen({ minRam: 1, flavorName: "perf" }), "perf-a");
    assert.equal(chosen({ minRam: 1, flavorName: "-b" }), "perf-b");
  });

  test("without it the name or the id must be exact", () => {
    assert.equal(chosen({ flavorName: "perf-b" }), "perf-b");
    assert.equal(chosen({ flavorName: "3" }), "large");
    assert.throws(() => chosen({ flavorName: "perf" }), NotFoundError);
  });

  test("what does not fit is told with what there is", () => {
    assert.throws(
      () => chosen({ label: "l", minRam: 9000, flavorName: "perf" }),
      /label 'l': no flavor has min-ram 9000 and flavor-name 'perf'; the cloud has: large \(8192 MiB\)/,
    );
  });
});

describe("the networks of a label", () => {
  const networks = [
    { id: "a", name: "one", isExternal: false },
    { id: "b", name: "twin", isExternal: false },
    { id: "c", name: "twin", isExternal: true },
  ];

  test("they are found by name or id, in their order", () => {
    assert.deepEqual(chooseNetworks(networks, openStackLabel({ networks: ["c", "one"] })), ["c", "a"]);
  });

  test("one that does not exist is told with the nearest", () => {
    assert.throws(
      () => chooseNetworks(networks, openStackLabel({ networks: ["onne"] })),
      /networks: there is no network 'onne' in the cloud.*did you mean "one"/,
    );
  });

  test("a name that is that of two is refused with both ids", () => {
    assert.throws(
      () => chooseNetworks(networks, openStackLabel({ networks: ["twin"] })),
      (error) =>
        error instanceof ProviderError &&
        !error.retryable &&
        /2 networks \(b, c\); use the id/.test(error.message),
    );
  });
});
