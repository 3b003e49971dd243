import type { ScalarTag, Tags } from "yaml";

// What a plain word means, as PyYAML's safe loader has it, because the files were written for it: `yes` and `off` are
// booleans but `y` is not, 010 is eight, 1:30 is ninety, 1e3 is a text. Dates stay texts.

const NULL = /^(?:~|null|Null|NULL)?$/;
const TRUE = /^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const FALSE = /^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const INTEGER = /^[-+]?(?:0b[01_]+|0[0-7_]*|[1-9][0-9_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*(?::[0-5]?[0-9])+)$/;
const FLOAT =
  /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;

/** The value of a number as YAML 1.1 writes it. */
function numberOf(source: string): number {
  const negative = source.startsWith("-");
  const digits = source.replace(/^[-+]/, "").replaceAll("_", "").toLowerCase();
  const value = unsigned(digits);
  return negative ? -value : value;
}

function unsigned(digits: string): number {
  if (digits === ".inf") return Infinity;
  if (digits === ".nan") return NaN;
  if (digits.includes(":")) return digits.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  if (/^0[0-7]+$/.test(digits)) return Number.parseInt(digits, 8);
  return Number(digits);
}

function tag(name: string, test: RegExp, resolve: (source: string) => unknown): ScalarTag {
  return { tag: `tag:yaml.org,2002:${name}`, default: true, test, resolve };
}

const PLAIN_TAGS: ScalarTag[] = [
  tag("null", NULL, () => null),
  tag("bool", TRUE, () => true),
  tag("bool", FALSE, () => false),
  tag("int", INTEGER, numberOf),
  tag("float", FLOAT, numberOf),
];

/** Adds the tags of plain words to those of texts, lists and mappings. */
export function withPlainTags(tags: Tags): Tags {
  return [...tags, ...PLAIN_TAGS];
}
