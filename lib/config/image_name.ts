// The names of uploaded images: `image-name-format`, filled in as Python's str.format does it for texts.

export const IMAGE_NAME_FIELDS = ["image_name", "upload_id", "timestamp"] as const;

/** What a name is made of, by field. */
export type ImageNameFields = Readonly<Record<(typeof IMAGE_NAME_FIELDS)[number], string>>;

/** Two braces for one; a field, with fill, alignment, width and length; or something else in braces. */
const PART =
  /\{\{|\}\}|\{(?<field>image_name|upload_id|timestamp)(?:!s)?(?::(?:(?<fill>.)?(?<align>[<>^]))?(?<width>[1-9]\d{0,2})?(?:\.(?<length>\d+))?s?)?\}|\{[^}]*\}?/gsu;

/** The first part of a format that cannot be filled in; null for a good one. */
export function unfillablePart(format: string): string | null {
  for (const { 0: part, groups } of format.matchAll(PART)) {
    if (part !== "{{" && part !== "}}" && groups?.field === undefined) return part;
  }
  return null;
}

/** The name that a format without an {@link unfillablePart} gives. */
export function fillImageName(format: string, fields: ImageNameFields): string {
  const known: Readonly<Record<string, string>> = fields;
  return format.replaceAll(PART, (part: string, ...rest: unknown[]) => {
    const layout = rest.at(-1) as Layout;
    const value = known[layout.field ?? ""];
    return value === undefined ? part.slice(0, 1) : laidOut(value, layout);
  });
}

/** The named groups of a field. */
type Layout = Readonly<Record<string, string | undefined>>;

function laidOut(
  value: string,
  { fill = " ", align = "<", width = "0", length = "Infinity" }: Layout,
): string {
  const text = [...value].slice(0, Number(length));
  const space = Math.max(0, Number(width) - text.length);
  const before = { "<": 0, ">": space, "^": Math.floor(space / 2) }[align] ?? 0;
  return fill.repeat(before) + text.join("") + fill.repeat(space - before);
}
