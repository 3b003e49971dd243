// Pages of a listing. A token names the last key of its page, so pages stay right while items come and go.
import { Buffer } from "node:buffer";
import { invalidArgument } from "./errors.ts";

/** The default and the largest size of a page. */
export const MAX_PAGE_SIZE = 1000;

const TOKEN_PREFIX = "after:";

/** What a List request says about its page. */
export interface PageOptions {
  /** 0: the default; more than {@link MAX_PAGE_SIZE} counts as that. */
  readonly pageSize: number;
  /** Empty for the first page. */
  readonly pageToken: string;
}

/**
 * One page of `items` in the order of their keys (compared as strings, each key once).
 *
 * @throws INVALID_ARGUMENT for a negative size or a token that is not ours
 */
export function paginate<T>(
  items: Iterable<T>,
  keyOf: (item: T) => string,
  options: PageOptions,
): { page: T[]; nextPageToken: string } {
  const { pageSize, pageToken } = options;
  if (pageSize < 0) throw invalidArgument("page_size", `${pageSize} is negative: expected 0 or more`);
  const size = pageSize === 0 ? MAX_PAGE_SIZE : Math.min(pageSize, MAX_PAGE_SIZE);
  const after = pageToken === "" ? null : decodeToken(pageToken);
  const keyed = Array.from(items, (item) => ({ item, key: keyOf(item) }))
    .filter(({ key }) => after === null || key > after)
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const page = keyed.slice(0, size);
  const last = page.at(-1);
  const more = keyed.length > size && last !== undefined;
  return { page: page.map(({ item }) => item), nextPageToken: more ? encodeToken(last.key) : "" };
}

function encodeToken(key: string): string {
  return Buffer.from(TOKEN_PREFIX + key, "utf8").toString("base64url");
}

function decodeToken(token: string): string {
  const text = Buffer.from(token, "base64url").toString("utf8");
  const key = text.slice(TOKEN_PREFIX.length);
  if (!text.startsWith(TOKEN_PREFIX) || encodeToken(key) !== token) {
    throw invalidArgument("page_token", "unknown token: expected the next_page_token of the page before");
  }
  return key;
}
