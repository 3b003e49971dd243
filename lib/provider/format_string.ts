// Format strings of the configuration, as "{request.requestor_data[job_name]}": what Python's str.format makes of them,
// as far as nodepool.yaml has use for it.

/** Fills in a pattern. @throws {Error} that names the field which cannot be filled in */
export function formatString(pattern: string, values: Readonly<Record<string, unknown>>): string {
  return pattern.replace(/\{\{|\}\}|\{([^{}]*)\}|[{}]/g, (found, field: string | undefined) => {
    if (found === "{{") return "{";
    if (found === "}}") return "}";
    if (field === undefined)
      throw new Error(`'${pattern}' has a single ${found}; write ${found}${found} for one`);
    return textOf(lookUp(field, values));
  });
}

function lookUp(field: string, values: Readonly<Record<string, unknown>>): unknown {
  const steps = [...field.matchAll(/(?:^|\.)([A-Za-z_]\w*)|\[([^\]]+)\]/g)];
  if (steps.map(([step]) => step).join("") !== field || field === "") {
    throw new Error(
      `'{${field}}' cannot be read; write it as {request.tenant_name} or {request.requestor_data[key]}`,
    );
  }
  let value: unknown = values;
  for (const [, attribute, key = attribute ?? ""] of steps) {
    const holder = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
    if (!Object.hasOwn(holder, key)) throw new Error(`'{${field}}': there is no ${key}`);
    value = holder[key];
  }
  return value;
}

/** As Python writes it. */
function textOf(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value))
    return `[${value.map((item) => (typeof item === "string" ? `'${item}'` : textOf(item))).join(", ")}]`;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
