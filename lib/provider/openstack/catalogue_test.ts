import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type CatalogueEntry, endpointOf } from "./catalogue.ts";
import type { ServiceName } from "./errors.ts";

const at = (url: string, region = "here", kind = "public") => ({ url, interface: kind, region });

/** Where a service is, in the catalogue of a token for project-1. */
function find(
  catalogue: readonly CatalogueEntry[],
  service: ServiceName,
  keys: Readonly<Record<string, unknown>> = {},
  region: string | null = "here",
): string {
  const token = { id: "t", renewAt: Infinity, expiresAt: Infinity, projectId: "project-1", catalogue };
  return endpointOf({ name: "c", region, interface: "public", keys }, token, service);
}

describe("where a service of OpenStack is", () => {
  const nova = {
    type: "compute",
    endpoints: [
      at("https://there", "there"),
      at("https://inside", "here", "internal"),
      at("https://here"),
      { url: "https://by-id", interface: "public", region_id: "elsewhere" },
    ],
  };

  test("it is taken by the region's name or id and by the interface", () => {
    assert.equal(find([nova], "compute"), "https://here/v2.1");
    assert.equal(find([nova], "compute", {}, "elsewhere"), "https://by-id/v2.1");
    assert.equal(find([nova], "compute", {}, null), "https://there/v2.1", "the first, of any region");
  });

  test("clouds.yaml may say of one service where it is", () => {
    const other = { type: "compute", name: "other", endpoints: [at("https://other")] };
    const cells = { type: "cells", endpoints: [at("https://cells")] };
    for (const [key, value, expected] of [
      ["compute_region_name", "there", "https://there"],
      ["compute_interface", "internalURL", "https://inside"],
      ["compute_service_name", "other", "https://other"],
      ["compute_service_type", "cells", "https://cells"],
      ["compute_endpoint_override", "https://mine", "https://mine"],
      ["compute_endpoint", "https://mine", "https://mine"],
    ] as const) {
      assert.equal(find([nova, other, cells], "compute", { [key]: value }), `${expected}/v2.1`, key);
      assert.equal(
        find([nova, other, cells], "compute", { [`image${key.slice(7)}`]: value }),
        "https://here/v2.1",
      );
    }
  });

  test("an address of clouds.yaml may have the project in it", () => {
    for (const field of ["%(project_id)s", "%(tenant_id)s", "{project_id}"]) {
      const keys = { block_storage_endpoint_override: `https://v/v3/${field}` };
      assert.equal(find([], "volume", keys), "https://v/v3/project-1");
    }
  });

  test("Cinder is found by each of its names, that of the version that we speak before others", () => {
    const entries = ["volume", "block-storage", "volumev3"].map((type) => ({
      type,
      endpoints: [at(`https://${type}/v3/x`)],
    }));
    assert.equal(find(entries, "volume"), "https://volumev3/v3/x");
    assert.equal(find(entries.slice(0, 2), "volume"), "https://block-storage/v3/x");
    assert.equal(find(entries.slice(0, 1), "volume"), "https://volume/v3/x");
  });

  test("an address without a version gets the one that we speak, whichever slashes it ends with", () => {
    for (const [service, url, expected] of [
      ["compute", "https://x//", "https://x/v2.1"],
      ["compute", "https://x/v2.1/project-1/", "https://x/v2.1/project-1"],
      ["network", "https://x/", "https://x/v2.0"],
      ["network", "https://x/v2.0/", "https://x/v2.0"],
      ["image", "https://x/v1", "https://x/v2"],
      ["image", "https://x", "https://x/v2"],
      ["volume", "https://x", "https://x/v3/project-1"],
      ["volume", "https://x/v3/project-1", "https://x/v3/project-1"],
    ] as const) {
      assert.equal(find([], service, { [`${service}_endpoint_override`]: url }), expected);
    }
  });

  test("what is missing is told with what there is, once each, or with the reason why there is nothing", () => {
    const twins = [nova, { type: "compute", endpoints: [at("https://twin")] }];
    const has =
      "it has: compute (there, public), compute (here, internal), compute (here, public), compute (elsewhere, public). ";
    assert.throws(
      () => find(twins, "network"),
      (error: Error) => error.message.includes(has),
    );
    assert.throws(
      () => find([], "network", {}, null),
      /interface public\); it has: nothing: the token is not for/,
    );
  });
});
