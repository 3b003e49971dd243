import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isOwnNotFound, isQuotaMessage } from "./errors.ts";

describe("what OpenStack's services say", () => {
  test("a 404 is the service's own by the id of its answer, or by its words where a proxy keeps the id", () => {
    for (const name of ["x-openstack-request-id", "x-compute-request-id"]) {
      assert.equal(isOwnNotFound({ headers: { [name]: "req-1" }, text: "" }), true, name);
    }
    for (const text of [
      '{"itemNotFound": {"message": "Instance s1 could not be found."}}',
      '{"NeutronError": {"type": "PortNotFound"}}',
      "404 Not Found: No image found with ID i1",
      "404 Not Found: Failed to find image i1 to delete",
    ]) {
      assert.equal(isOwnNotFound({ headers: {}, text }), true, text);
    }
    assert.equal(isOwnNotFound({ headers: {}, text: "<h1>404 Not Found</h1>" }), false);
  });

  test("a quota is told by its name, and that of ports also without", () => {
    for (const message of ["Quota exceeded for cores", "VolumeLimitExceeded: over quota"]) {
      assert.equal(isQuotaMessage(message), true, message);
    }
    assert.equal(isQuotaMessage("Maximum number of ports exceeded"), true);
    assert.equal(isQuotaMessage("No valid host was found."), false);
  });
});
