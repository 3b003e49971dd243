// Glance, as far as images of nodes need it.
import type { Writable } from "node:stream";
import { NotFoundError, ProviderError } from "../contract.ts";
import type { ApiClient } from "./api_client.ts";
import { isNotFound } from "./errors.ts";

export interface GlanceImage {
  readonly id: string;
  readonly name: string;
  /** As queued, saving, active, killed, deleted. */
  readonly status: string;
  readonly owner: string | null;
  /** MD5 of what Glance holds; null until it is active, and in some stores. */
  readonly md5: string | null;
  readonly size: number | null;
  /** Properties that are not Glance's own. */
  readonly properties: Readonly<Record<string, string>>;
}

/** What Glance says of every image by itself. */
const OWN_KEYS = new Set(
  [
    "id name status visibility size virtual_size checksum os_hash_algo os_hash_value os_hidden protected tags",
    "min_disk min_ram owner container_format disk_format created_at updated_at self file schema locations",
    "direct_url stores",
  ].flatMap((keys) => keys.split(" ")),
);

export class ImageApi {
  readonly #api: ApiClient;

  constructor(api: ApiClient) {
    this.#api = api;
  }

  /** Images that fit the query: name=…, owner=…, or any property of theirs. */
  async images(query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<GlanceImage[]> {
    const call = { service: "image", path: "/images", query: { limit: "200", ...query }, signal } as const;
    return (await this.#api.list<RawImage>("images", call)).map(readImage);
  }

  /** The images that the token's project owns, of those that fit the query: an administrator sees those of all. */
  async ownImages(query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<GlanceImage[]> {
    const owner = await this.#api.projectId(signal);
    return await this.images(owner === null ? query : { ...query, owner }, signal);
  }

  /** One image; null when there is none. */
  async image(id: string, signal: AbortSignal): Promise<GlanceImage | null> {
    try {
      const call = {
        service: "image",
        method: "GET",
        path: `/images/${encodeURIComponent(id)}`,
        signal,
      } as const;
      return readImage((await this.#api.call(call)).body as RawImage);
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  }

  /** The id of the image of this id or name. @throws {NotFoundError} {@link ProviderError} when several have the name */
  async find(idOrName: string, signal: AbortSignal): Promise<string> {
    const isId = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(idOrName);
    const byId = isId ? await this.image(idOrName, signal) : null;
    if (byId !== null) return byId.id;
    const named = (await this.images({ name: idOrName }, signal)).filter(({ status }) => status === "active");
    const [first, ...more] = named;
    if (first === undefined) {
      throw new NotFoundError(
        `image '${idOrName}' does not exist in the cloud, or this project may not see it: name another, or share it`,
      );
    }
    if (more.length === 0) return first.id;
    const ids = named.map(({ id }) => id).join(", ");
    throw new ProviderError(
      `image name '${idOrName}' is that of ${named.length} images (${ids}): set image-id`,
      {
        retryable: false,
      },
    );
  }

  /** Makes an image without content; its id. */
  async create(
    wish: {
      readonly name: string;
      readonly diskFormat: string;
      readonly properties: Readonly<Record<string, string>>;
    },
    signal: AbortSignal,
  ): Promise<string> {
    const body = {
      // Its own keys come last: no property may take their place.
      ...wish.properties,
      ...typedIn(wish.properties),
      name: wish.name,
      disk_format: wish.diskFormat,
      container_format: "bare",
      visibility: "private",
    };
    const call = { service: "image", method: "POST", path: "/images", body, signal } as const;
    return ((await this.#api.call(call)).body as RawImage).id;
  }

  /** Sends the content. */
  async upload(
    id: string,
    stream: { readonly length: number; readonly send: (target: Writable) => Promise<void> },
    signal: AbortSignal,
  ): Promise<void> {
    const headers = { "content-type": "application/octet-stream" };
    const path = `/images/${encodeURIComponent(id)}/file`;
    await this.#api.call({ service: "image", method: "PUT", path, stream, headers, signal });
  }

  /** Deletes an image. False when there is none. */
  async delete(id: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#api.call({
        service: "image",
        method: "DELETE",
        path: `/images/${encodeURIComponent(id)}`,
        signal,
      });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }
}

interface RawImage extends Readonly<Record<string, unknown>> {
  readonly id: string;
  readonly name?: string | null;
  readonly status?: string;
  readonly owner?: string | null;
  readonly checksum?: string | null;
  readonly size?: number | null;
}

function readImage(raw: RawImage): GlanceImage {
  const properties = Object.entries(raw).filter(
    ([key, value]) => !OWN_KEYS.has(key) && typeof value === "string",
  ) as [string, string][];
  return {
    id: raw.id,
    name: raw.name ?? "",
    status: raw.status ?? "",
    owner: raw.owner ?? null,
    md5: raw.checksum ?? null,
    size: raw.size ?? null,
    properties: Object.fromEntries(properties),
  };
}

/** Properties of Glance's own that are no texts; in `meta` every value is one. One that it cannot read it refuses. */
function typedIn(properties: Readonly<Record<string, string>>): Record<string, unknown> {
  const sizes = ["min_disk", "min_ram"].map((key) => [key, Number(properties[key] ?? Number.NaN)] as const);
  const { protected: truth = "", tags = "" } = properties;
  const list = listIn(tags);
  return {
    ...Object.fromEntries(sizes.filter(([, size]) => Number.isInteger(size))),
    ...(/^(?:true|yes|on)$/i.test(truth) ? { protected: true } : {}),
    ...(/^(?:false|no|off)$/i.test(truth) ? { protected: false } : {}),
    ...(list === null ? {} : { tags: list }),
  };
}

/** The texts of a list, which `meta` has as JSON; null for another text. */
function listIn(text: string): string[] | null {
  if (!text.startsWith("[")) return null;
  try {
    return (JSON.parse(text) as unknown[]).map(String);
  } catch {
    return null;
  }
}
