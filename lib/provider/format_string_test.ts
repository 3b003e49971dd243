import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatString } from "./format_string.ts";

const request = {
  id: "200-0000000001",
  labels: ["small", "large"],
  requestor_data: { job_name: "unit", nested: { deep: 7 } },
  relative_priority: 3,
  tenant_name: null,
};

describe("format strings", () => {
  test("attributes and keys of the request are filled in", () => {
    assert.equal(formatString("{request.id}", { request }), "200-0000000001");
    assert.equal(formatString("job-{request.requestor_data[job_name]}!", { request }), "job-unit!");
    assert.equal(formatString("{request.requestor_data[nested][deep]}", { request }), "7");
    assert.equal(
      formatString("{request.relative_priority}{request.labels}", { request }),
      "3['small', 'large']",
    );
  });

  test("nothing is None, and doubled braces are single ones", () => {
    assert.equal(formatString("{{{request.tenant_name}}}", { request }), "{None}");
  });

  test("a field that is not there is named", () => {
    assert.throws(() => formatString("{request.nothing}", { request }), /request\.nothing.*no nothing/);
    assert.throws(() => formatString("{request.requestor_data[other]}", { request }), /no other/);
    assert.throws(() => formatString("{request.toString}", { request }), /no toString/);
    assert.throws(() => formatString("{}", { request }), /cannot be read/);
    assert.throws(() => formatString("{request.id", { request }), /single \{/);
  });
});
