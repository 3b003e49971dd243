// Cinder, as far as nodes that boot from a volume need it.
import type { Resources } from "../contract.ts";
import type { ApiClient } from "./api_client.ts";
import { withoutUnlimited } from "./compute.ts";
import { isNotFound } from "./errors.ts";

export interface Volume {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** As available, in-use, error. */
  readonly status: string;
  readonly isAttached: boolean;
  /** Properties of the image that it was made from. */
  readonly imageProperties: Readonly<Record<string, string>>;
}

export class VolumeApi {
  readonly #api: ApiClient;

  constructor(api: ApiClient) {
    this.#api = api;
  }

  async volumes(signal: AbortSignal): Promise<Volume[]> {
    const call = { service: "volume", path: "/volumes/detail", signal } as const;
    return (await this.#api.list<RawVolume>("volumes", call)).map((raw) => ({
      id: raw.id,
      name: raw.name ?? "",
      description: raw.description ?? "",
      status: raw.status ?? "",
      isAttached: (raw.attachments?.length ?? 0) > 0,
      imageProperties: raw.volume_image_metadata ?? {},
    }));
  }

  async delete(id: string, signal: AbortSignal): Promise<void> {
    try {
      const path = `/volumes/${encodeURIComponent(id)}`;
      await this.#api.call({ service: "volume", method: "DELETE", path, signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  async limits(signal: AbortSignal): Promise<Resources> {
    const { body } = await this.#api.call({ service: "volume", method: "GET", path: "/limits", signal });
    const absolute =
      (body as { limits?: { absolute?: Record<string, number> } } | null)?.limits?.absolute ?? {};
    return withoutUnlimited({
      volumes: absolute.maxTotalVolumes,
      "volume-gb": absolute.maxTotalVolumeGigabytes,
    });
  }
}

interface RawVolume {
  readonly id: string;
  readonly name?: string | null;
  readonly description?: string | null;
  readonly status?: string;
  readonly attachments?: readonly unknown[];
  readonly volume_image_metadata?: Readonly<Record<string, string>>;
}
