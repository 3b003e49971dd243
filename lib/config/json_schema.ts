import type { DriverSchema } from "./drivers/driver.ts";
import { DRIVERS } from "./drivers.ts";
import type { JsonSchema } from "./kinds.ts";
import { provider, root } from "./schema.ts";

/**
 * The JSON Schema of nodepool.yaml, for editors and for checks without Nodepool. It tells what is good: what the loader
 * takes with a warning, as keys that nobody knows, it refuses.
 */
export function configJsonSchema(): JsonSchema {
  const properties = root.json.properties as Readonly<Record<string, JsonSchema>>;
  const definitions = Object.fromEntries(
    [...DRIVERS].map(([name, schema]) => [name, providerOf(name, schema)]),
  );
  const choices = [...DRIVERS.keys()].map((name) => ({
    if: {
      properties: { driver: { const: name } },
      // Without a driver it is openstack.
      ...(name === "openstack" ? {} : { required: ["driver"] }),
    },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: { $ref: `#/$defs/${name}` },
  }));
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "nodepool.yaml",
    description: "The configuration of Nodepool.",
    ...root.json,
    type: ["object", "null"],
    properties: {
      ...properties,
      providers: {
        ...properties.providers,
        items: {
          type: "object",
          required: ["name"],
          properties: { driver: { type: "string" } },
          allOf: choices,
        },
      },
    },
    $defs: definitions,
  };
}

function providerOf(name: string, schema: DriverSchema): JsonSchema {
  const { json } = provider(schema);
  const properties = json.properties as Readonly<Record<string, JsonSchema>>;
  return { title: schema.about, ...json, properties: { ...properties, driver: { const: name } } };
}
