// Finds a container engine that can run nodes.
import type { ProviderOptions } from "../../options.ts";
import type { ProbedEngine } from "../engine.ts";

/** Where containers are looked for. */
export interface ContainerOptions extends ProviderOptions {
  /** The provider's name, which its images and containers carry. */
  readonly provider: string;
  readonly directory: string;
  readonly socket: string | null;
}

/** The engine that runs nodes as containers, or why there is none. */
export async function openContainers(
  _options: ContainerOptions,
  _signal: AbortSignal,
): Promise<ProbedEngine> {
  return { problem: "no Docker API socket answered" };
}
