// The reference of nodepool.yaml for people, made of its JSON Schema.
import type { JsonSchema } from "../lib/config/kinds.ts";

/**
 * docs/configuration.md.
 *
 * @param secure what the secure file may say
 * @param drivers those that are served, in the order in which they are shown
 */
export function configPage(schema: JsonSchema, secure: JsonSchema, drivers: readonly string[]): string {
  const { providers, ...others } = propertiesOf(schema);
  const definitions = schema.$defs as Readonly<Record<string, JsonSchema>>;
  const sections = drivers.map((name) => {
    const definition = definitions[name];
    if (definition === undefined) throw new Error(`the schema has no driver ${name}`);
    const { driver: _, ...keys } = propertiesOf(definition);
    return `### \`driver: ${name}\`\n\n${definition.title}.\n\n${table(keys, requiredOf(definition))}`;
  });
  return `${INTRODUCTION}
## The file

${table({ ...others, providers: { type: "array", description: `${providers?.description ?? ""} See below.` } }, requiredOf(schema))}
## The secure file

What not everybody may read can stand in a file of its own, which daemons take by \`-s FILE\` and \`nodepool config-validate\` and \`plan\`, too. It has
these keys and no others; what it says goes before what \`nodepool.yaml\` says, or is added to it. A diskimage named here must be in \`nodepool.yaml\`
and not be abstract; the variables are its own alone, and none of those that have it as their parent. \`%(NAME)\` works here, too. A change of this file is
taken as one of \`nodepool.yaml\` is.

${table(propertiesOf(secure), requiredOf(secure))}
## Providers

Without \`driver\` a provider is of \`openstack\`. \`nodepool config-validate\` knows the keys of Nodepool's other drivers too; their providers are
not served.

${sections.join("\n")}`;
}

const INTRODUCTION = `# Configuration

What \`nodepool.yaml\` may say. It is Nodepool's own file; [migrating](migrating-from-nodepool.md) tells what is taken in another way. \`a.b\` is the
key \`b\` of the mapping \`a\`, and \`a[].b\` that of each mapping in the list \`a\`. **Bold** keys must be there. Times are in seconds, memory in MiB and
volumes in GB, unless something else is said. \`%(NAME)\` takes a variable of the environment whose name begins with \`NODEPOOL_\`.

This page is made of what the daemons check the file against, by \`npx node tools/config_reference.ts\`; \`nodepool.schema.json\` says the same to editors.
`;

type Properties = Readonly<Record<string, JsonSchema>>;

const propertiesOf = (schema: JsonSchema) => (schema.properties ?? {}) as Properties;
const requiredOf = (schema: JsonSchema) => (schema.required ?? []) as readonly string[];

function table(properties: Properties, required: readonly string[]): string {
  const lines = rows("", properties, required).map((cells) => `| ${cells.map(escaped).join(" | ")} |\n`);
  return `| key | value | default | |\n|---|---|---|---|\n${lines.join("")}`;
}

const escaped = (cell: string) => cell.replaceAll("|", "\\|").replaceAll("\n", " ");

/** A key with its own ones beneath it. */
function rows(path: string, properties: Properties, required: readonly string[]): string[][] {
  return Object.entries(properties).flatMap(([key, schema]) => {
    const name = `\`${path}${key}\``;
    const { description = "", default: fallback } = schema as {
      readonly description?: string;
      readonly default?: unknown;
    };
    const own = [
      required.includes(key) ? `**${name}**` : name,
      takenBy(schema),
      fallback === undefined || fallback === "" ? "" : `\`${fallback}\``,
      description,
    ];
    const items = (schema.items ?? {}) as JsonSchema;
    return [
      own,
      ...rows(`${path}${key}.`, propertiesOf(schema), requiredOf(schema)),
      ...rows(`${path}${key}[].`, propertiesOf(items), requiredOf(items)),
    ];
  });
}

const WORDS: Readonly<Record<string, string>> = {
  integer: "whole number",
  number: "number",
  string: "text",
  boolean: "true or false",
  object: "mapping",
  array: "list",
  null: "nothing",
};

/** What a key takes, in words. */
function takenBy(schema: JsonSchema): string {
  const { type, items, minimum, maximum } = schema as {
    readonly type?: string | readonly string[];
    readonly items?: JsonSchema;
    readonly minimum?: number;
    readonly maximum?: number;
  };
  const choices = (schema.anyOf ?? schema.allOf) as readonly JsonSchema[] | undefined;
  if (choices !== undefined) return unique(choices.map(takenBy));
  if (schema.enum !== undefined) return (schema.enum as unknown[]).map((one) => `\`${one}\``).join(", ");
  if (schema.const !== undefined) return `\`${schema.const}\``;
  const range =
    maximum === undefined
      ? minimum === undefined
        ? ""
        : `, ${minimum} or more`
      : `, ${minimum} to ${maximum}`;
  if (type === "array" && items !== undefined) return `list of: ${takenBy(items)}`;
  return `${unique([type ?? "value"].flat().map((one) => WORDS[one] ?? one))}${range}`;
}

const unique = (words: readonly string[]) => [...new Set(words)].join(" or ");
