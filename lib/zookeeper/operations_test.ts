import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { newComponent, newPool } from "../model/component.ts";
import { newBuild, newUpload } from "../model/image.ts";
import { newNode } from "../model/node.ts";
import { newRequest } from "../model/request.ts";
import * as operations from "./operations.ts";

describe("operations", () => {
  it("go to the paths, with the modes, that Nodepool uses", () => {
    const record = newNode(1, { type: ["small"] });
    const request = newRequest(1, { nodeTypes: ["small"] });
    const created = [
      operations.createNode(record),
      operations.createRequest("100", request),
      operations.createRequest("900", request, { ephemeral: true }),
      operations.createBuild("debian", "b1", newBuild(1, {})),
      operations.createUpload("debian", "b1", "cloud", newUpload(1, {})),
      operations.createPause("debian"),
      operations.createBuildRequest("debian"),
      operations.createComponent(newComponent({ hostname: "h", kind: "builder" })),
      operations.createPool(newPool({ hostname: "h" })),
    ];
    assert.deepEqual(
      created.map(({ mode, path }) => `${mode} ${path}`),
      [
        "persistent-sequential /nodepool/nodes/",
        "persistent-sequential /nodepool/requests/100-",
        "ephemeral-sequential /nodepool/requests/900-",
        "persistent /nodepool/images/debian/builds/b1",
        "persistent-sequential /nodepool/images/debian/builds/b1/providers/cloud/images/",
        "persistent /nodepool/images/debian/pause",
        "persistent /nodepool/images/debian/request-build",
        "ephemeral-sequential /nodepool/components/builder/h",
        "ephemeral-sequential /nodepool/components/pool/h",
      ],
    );
    assert.equal(created.at(-4)?.data.length, 0);
  });

  it("set with the version that was read, and delete any version unless told", () => {
    const { version, path } = operations.setNode("0000000001", newNode(1, { type: [] }), 7);
    assert.deepEqual([version, path], [7, "/nodepool/nodes/0000000001"]);
    assert.deepEqual(operations.deleteUpload("debian", "b1", "cloud", "0000000001"), {
      kind: "delete",
      path: "/nodepool/images/debian/builds/b1/providers/cloud/images/0000000001",
      version: -1,
    });
    assert.equal(operations.deleteNode("0000000001", 3).version, 3);
  });
});
