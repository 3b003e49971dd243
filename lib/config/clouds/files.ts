// Finds and reads clouds.yaml, secure.yaml and clouds-public.yaml where openstacksdk looks for them.
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { codeOf, messageOf } from "../../std/errors.ts";
import { plain, readDocument } from "../document.ts";
import { Problems } from "../problems.ts";
import { interpolate } from "../source.ts";
import { formatProblem } from "../types.ts";

/** A mapping of a file, before anybody has looked at its keys. */
export type Mapping = Readonly<Record<string, unknown>>;

/** What the files say, with secure.yaml merged in. */
export interface CloudFiles {
  /** The clouds.yaml that was read; null when there is none. */
  readonly path: string | null;
  /** Where it was looked for, for messages. */
  readonly searched: readonly string[];
  readonly clouds: Readonly<Record<string, Mapping>>;
  /** Profiles of clouds-public.yaml. */
  readonly profiles: Readonly<Record<string, Mapping>>;
  /** The section `client`. */
  readonly client: Mapping;
}

export type Env = Readonly<Record<string, string | undefined>>;

/** A clouds.yaml that cannot be used. The message names file, cloud, key and remedy. */
export class CloudConfigError extends Error {
  override name = "CloudConfigError";
}

/** Reads them. @throws {CloudConfigError} for a file that is there and cannot be read */
export async function readCloudFiles(env: Env): Promise<CloudFiles> {
  const folders = [
    process.cwd(),
    join(env.XDG_CONFIG_HOME ?? join(env.HOME ?? homedir(), ".config"), "openstack"),
    "/etc/openstack",
  ];
  const paths = (stem: string, first: string | undefined) => [
    ...(first ? [first] : []),
    ...folders.flatMap((folder) =>
      ["yaml", "yml", "json"].map((ending) => join(folder, `${stem}.${ending}`)),
    ),
  ];
  const searched = paths("clouds", env.OS_CLIENT_CONFIG_FILE);
  const main = await readFirst(searched);
  const secure = await readFirst(paths("secure", env.OS_CLIENT_SECURE_FILE));
  const vendor = await readFirst(paths("clouds-public", env.OS_CLIENT_VENDOR_FILE));
  const merged = merge(main.content, secure.content);
  return {
    path: main.path,
    searched,
    clouds: mappings(merged.clouds),
    profiles: mappings(vendor.content["public-clouds"]),
    client: asMapping(merged.client),
  };
}

async function readFirst(paths: readonly string[]): Promise<{ path: string | null; content: Mapping }> {
  for (const path of paths) {
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      if (["ENOENT", "ENOTDIR"].includes(codeOf(error) ?? "")) continue;
      throw new CloudConfigError(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
    }
    return { path, content: parseMapping(path, text) };
  }
  return { path: null, content: {} };
}

function parseMapping(path: string, text: string): Mapping {
  const problems = new Problems();
  const value = readDocument(interpolate(text, path, {}, true), problems);
  const [wrong] = problems.errors;
  if (wrong !== undefined) {
    // A password may begin so.
    const remedy = /alias|tag/.test(wrong.message) ? "; write a value that begins with * or ! in quotes" : "";
    throw new CloudConfigError(`${formatProblem(wrong)}${remedy}`);
  }
  const content = value ? plain(value) : null;
  if (content !== null && !isMapping(content)) {
    throw new CloudConfigError(`${path} must be a mapping with the key clouds`);
  }
  return content ?? {};
}

export function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value, or an empty mapping for anything that is none. */
export function asMapping(value: unknown): Mapping {
  return isMapping(value) ? value : {};
}

function mappings(value: unknown): Record<string, Mapping> {
  return Object.fromEntries(Object.entries(asMapping(value)).map(([key, each]) => [key, asMapping(each)]));
}

/** `over` laid upon `base`, mappings within mappings as well. */
export function merge(base: Mapping, over: Mapping): Mapping {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = base[key];
    merged[key] = isMapping(below) && isMapping(value) ? merge(below, value) : value;
  }
  return merged;
}
