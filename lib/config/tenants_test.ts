import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "./load.ts";

const read = (rows: string) => parseConfig(`tenant-resource-limits: [${rows}]`, "f");

describe("a tenant's limits", () => {
  it("go by resource, whatever their keys are called", () => {
    const { tenantLimits, warnings } = read(
      "{tenant-name: a, max-servers: 1, max-cores: 2, max-ram: 3, max-volumes: 4, max-volume-gb: 5, gpus: 6}, {tenant-name: b}",
    );
    assert.deepEqual(
      [...tenantLimits],
      [
        ["a", { instances: 1, cores: 2, ram: 3, volumes: 4, "volume-gb": 5, gpus: 6 }],
        ["b", {}],
      ],
    );
    assert.deepEqual(warnings, []);
  });

  it("are those that are written last, which is warned of", () => {
    const { tenantLimits, warnings } = read("{tenant-name: a, gpus: 6}, {tenant-name: a, max-servers: 1}");
    assert.deepEqual([...tenantLimits], [["a", { instances: 1 }]]);
    assert.deepEqual(
      warnings.map(({ path, message }) => [path, message]),
      [
        [
          "tenant-resource-limits[1].tenant-name",
          "a already has limits above; these count, remove the others",
        ],
      ],
    );
  });
});
