import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { configJsonSchema } from "./json_schema.ts";

const schema = configJsonSchema();
/** What stands at a path of keys. */
const at = (...path: readonly string[]): unknown =>
  path.reduce<unknown>((found, key) => (found as Readonly<Record<string, unknown>>)[key], schema);

interface Choice {
  readonly if: unknown;
  readonly then: { readonly $ref: string };
}

describe("the JSON Schema of nodepool.yaml", () => {
  it("takes an empty file", () => {
    assert.deepEqual(schema.type, ["object", "null"]);
  });

  it("checks each provider by its driver, which is a text", () => {
    const { properties, required, allOf } = at("properties", "providers", "items") as {
      readonly properties: unknown;
      readonly required: unknown;
      readonly allOf: readonly Choice[];
    };
    assert.deepEqual([properties, required], [{ driver: { type: "string" } }, ["name"]]);
    const [openstack] = allOf.filter((choice) => choice.then.$ref === "#/$defs/openstack");
    assert.deepEqual(openstack?.if, { properties: { driver: { const: "openstack" } } });
    const [local] = allOf.filter((choice) => choice.then.$ref === "#/$defs/local");
    assert.deepEqual(local?.if, { properties: { driver: { const: "local" } }, required: ["driver"] });
  });

  it("takes a null where Nodepool's validator does", () => {
    assert.deepEqual(at("$defs", "kubernetes", "properties", "context", "anyOf"), [
      { type: "string" },
      { type: "null" },
    ]);
    assert.equal(at("$defs", "openshift", "properties", "context", "type"), "string");
  });

  it("has whole numbers for all limits of a tenant, whatever they are of", () => {
    const limits = at("properties", "tenant-resource-limits", "items", "additionalProperties");
    assert.deepEqual(limits, { type: "integer" });
    assert.equal(at("properties", "webapp", "additionalProperties"), false);
    assert.equal(at("$defs", "fake", "additionalProperties"), undefined);
  });
});
