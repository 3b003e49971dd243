// What a fake cloud answers, in this process or over a socket. Everything here goes through JSON unchanged.
import type { Instance, Leftover, Metadata, ProviderImage, Resources } from "../contract.ts";

/** An instance to make. */
export interface InstanceWish {
  readonly name: string;
  readonly image: string;
  readonly az: string | null;
  readonly metadata: Metadata;
  readonly resources: Resources;
}

/** The API. Calls reject with the contract's errors, and with the signal's reason. */
export interface CloudApi {
  /** What instances are spread over. Empty: a cloud without zones, or one whose zones cannot be seen from here. */
  readonly zones: readonly string[];
  /** Everybody's instances. */
  listInstances(signal: AbortSignal): Promise<Instance[]>;
  /** Answers as soon as the instance is there, running or not. */
  createInstance(wish: InstanceWish, signal: AbortSignal): Promise<Instance>;
  /** Answers when the instance does not build any more; null when there is none. */
  awaitInstance(id: string, signal: AbortSignal): Promise<Instance | null>;
  deleteInstance(id: string, signal: AbortSignal): Promise<void>;
  consoleLog(id: string, signal: AbortSignal): Promise<string | null>;
  /** Everybody's images. */
  listImages(signal: AbortSignal): Promise<ProviderImage[]>;
  createImage(
    image: { readonly name: string; readonly metadata: Metadata },
    signal: AbortSignal,
  ): Promise<string>;
  deleteImage(id: string, signal: AbortSignal): Promise<void>;
  listLeftovers(signal: AbortSignal): Promise<Leftover[]>;
  deleteLeftover(id: string, signal: AbortSignal): Promise<void>;
  limits(signal: AbortSignal): Promise<Resources>;
}
