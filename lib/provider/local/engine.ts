// What runs the nodes of a local provider. One engine at a time; all of them look alike from above.
import type { ImageSpec, Instance, InstanceSpec, ProviderImage, Resources } from "../contract.ts";

/** The ways to run a node on this machine, best first. */
export const ENGINE_KINDS = ["container", "sandbox", "process"] as const;
export type EngineKind = (typeof ENGINE_KINDS)[number];

/** How to run one node, with what its label takes. */
export interface LocalInstanceSpec extends InstanceSpec {
  readonly resources: Resources;
}

/** A way to run nodes that was probed and works. The calls are those of Provider, with the same promises. */
export interface Engine {
  readonly kind: EngineKind;
  /** How nodes run, for people: as "containers (podman 4.3.1, runc)". */
  readonly summary: string;
  /** Brings back the instances that this process has to run. */
  start(signal: AbortSignal): Promise<void>;
  listInstances(signal: AbortSignal): Promise<Instance[]>;
  foreignInstances(signal: AbortSignal): Promise<Instance[]>;
  createInstance(
    spec: LocalInstanceSpec,
    onExternalId: (id: string) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Instance>;
  deleteInstance(externalId: string, signal: AbortSignal): Promise<void>;
  consoleLog(externalId: string, signal: AbortSignal): Promise<string | null>;
  listImages(signal: AbortSignal): Promise<ProviderImage[]>;
  uploadImage(spec: ImageSpec, signal: AbortSignal): Promise<string>;
  deleteImage(externalId: string, signal: AbortSignal): Promise<void>;
  /** Leaves no listening socket and no child process of this process behind. */
  stop(): Promise<void>;
}

/** An engine that works, or why this machine has none of the kind. */
export type ProbedEngine = { readonly engine: Engine } | { readonly problem: string };
