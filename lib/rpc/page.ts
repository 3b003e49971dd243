// Pages of a listing. A token names the last key of its page, so pages stay right while items come and go.
import { Buffer } from "node:buffer";
import { invalidArgument } from "./errors.ts";

/** The default and the largest size of a page. */
export const MAX_PAGE_SIZE = 1000;

/** Bytes that the messages of a page may have: less than the 4 MiB that a client takes. */
const MAX_PAGE_BYTES = 3 * 1024 * 1024;

/** What a List request says about its page. */
export interface PageOptions {
  /** 0: the default; more than {@link MAX_PAGE_SIZE} counts as that. */
  readonly pageSize: number;
  /** Empty for the first page. */
  readonly pageToken: string;
}

/**
 * One page of `items` as messages, in the order of their keys (compared as strings, each key once). It ends early where
 * its messages together would be too large to be sent. `list` names what is listed, as a resource's name does: keys of
 * one list mean nothing in another.
 *
 * @throws INVALID_ARGUMENT for a negative size or a token that is not of this list
 */
export function paginate<T, Message>(
  list: string,
  items: Iterable<T>,
  keyOf: (item: T) => string,
  toMessage: (item: T) => Message,
  options: PageOptions,
): { page: Message[]; nextPageToken: string } {
  const { pageSize, pageToken } = options;
  if (pageSize < 0) throw invalidArgument("page_size", `${pageSize} is negative: expected 0 or more`);
  const size = pageSize === 0 ? MAX_PAGE_SIZE : Math.min(pageSize, MAX_PAGE_SIZE);
  const after = pageToken === "" ? null : decodeToken(list, pageToken);
  const keyed = firstOf(items, keyOf, { after, count: size + 1 });
  const page: Message[] = [];
  let bytes = 0;
  for (const { item } of keyed.slice(0, size)) {
    const message = toMessage(item);
    bytes += sizeOf(message);
    if (bytes > MAX_PAGE_BYTES && page.length > 0) break;
    page.push(message);
  }
  const last = keyed[page.length - 1];
  const more = keyed.length > page.length && last !== undefined;
  return { page, nextPageToken: more ? encodeToken(list, last.key) : "" };
}

interface Keyed<T> {
  readonly item: T;
  readonly key: string;
}

/**
 * The first so many items behind a key, in the order of their keys. Whoever lists thousands asks for page after page, so
 * what is not on this one is dropped early.
 */
function firstOf<T>(
  items: Iterable<T>,
  keyOf: (item: T) => string,
  { after, count }: { readonly after: string | null; readonly count: number },
): readonly Keyed<T>[] {
  let first: Keyed<T>[] = [];
  let last: string | undefined;
  const shorten = () => {
    first.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    first = first.slice(0, count);
  };
  for (const item of items) {
    const key = keyOf(item);
    if ((after !== null && key <= after) || (last !== undefined && key >= last)) continue;
    first.push({ item, key });
    if (first.length < 2 * count) continue;
    shorten();
    last = first.at(-1)?.key;
  }
  shorten();
  return first;
}

/** The bytes that a message has when it is sent, rather more than less, without encoding it. */
function sizeOf(value: unknown): number {
  if (typeof value === "string")
    return value.length < 50 ? 3 * value.length + 8 : Buffer.byteLength(value) + 8;
  if (typeof value !== "object" || value === null || value instanceof Date) return 24;
  let bytes = 8;
  if (Array.isArray(value)) for (const item of value) bytes += sizeOf(item);
  else {
    for (const key in value) {
      const item: unknown = Reflect.get(value, key);
      // What a field without a value has is not sent.
      if (item !== "" && item !== undefined) bytes += key.length + 8 + sizeOf(item);
    }
  }
  return bytes;
}

function encodeToken(list: string, key: string): string {
  return Buffer.from(tokenStart(list) + key, "utf8").toString("base64url");
}

function decodeToken(list: string, token: string): string {
  const text = Buffer.from(token, "base64url").toString("utf8");
  const start = tokenStart(list);
  const key = text.slice(start.length);
  if (!text.startsWith(start) || encodeToken(list, key) !== token) {
    throw invalidArgument(
      "page_token",
      "unknown token: expected the next_page_token of this list's page before",
    );
  }
  return key;
}

function tokenStart(list: string): string {
  return `after:${list}\n`;
}
