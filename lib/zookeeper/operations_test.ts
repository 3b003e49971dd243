import assert from "node:assert/strict";
import { describe, it } from "node:test";
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
      operations.createRequest(100, request),
      operations.createRequest(5, request, { ephemeral: true }),
      operations.createBuild("debian", "b1", newBuild(1, {})),
      operations.createUpload("debian", "b1", "cloud", newUpload(1, {})),
    ];
    assert.deepEqual(
      created.map(({ mode, path }) => `${mode} ${path}`),
      [
        "persistent-sequential /nodepool/nodes/",
        "persistent-sequential /nodepool/requests/100-",
        "ephemeral-sequential /nodepool/requests/005-",
        "persistent /nodepool/images/debian/builds/b1",
        "persistent-sequential /nodepool/images/debian/builds/b1/providers/cloud/images/",
      ],
    );
  });

  it("set with the version that was read, and take a wish for a build back in any version", () => {
    const { version, path } = operations.setNode("0000000001", newNode(1, { type: [] }), 7);
    assert.deepEqual([version, path], [7, "/nodepool/nodes/0000000001"]);
    assert.deepEqual(operations.deleteBuildRequest("debian"), {
      kind: "delete",
      path: "/nodepool/images/debian/request-build",
      version: -1,
    });
  });
});
