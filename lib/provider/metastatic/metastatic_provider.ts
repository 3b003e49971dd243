// The driver `metastatic`: nodes that are shares of other nodes, which it requests from Nodepool itself.
import { labelsAbove, type NodeShare, shareOf } from "../../model/shared_node.ts";
import { messageOf } from "../../std/errors.ts";
import type { NodeEntry } from "../../zookeeper/view.ts";
import {
  type Instance,
  type InstanceSpec,
  METADATA,
  NameTakenError,
  NotFoundError,
  type Provider,
  ProviderError,
  type ProviderImage,
  type Resources,
} from "../contract.ts";
import type { Nodepool, NoteInstance } from "../nodepool.ts";
import type { ProviderOptions } from "../options.ts";
import type { SharedEntry } from "./records.ts";
import { Sharing } from "./sharing.ts";
import { type MetastaticConfig, Terms } from "./terms.ts";

/** Nodes that are on their way out have no instance any more; their slot is free when their record is gone. */
const GONE: ReadonlySet<string> = new Set(["deleting", "deleted"]);

/** Nodepool's own record of a node is its instance: the instance's id is the node's. */
export class MetastaticProvider implements Provider {
  readonly name: string;
  readonly driver = "metastatic";
  readonly #terms: Terms;
  readonly #options: Pick<ProviderOptions, "clock" | "logger">;
  readonly #creating = new Map<string, { readonly token: string; readonly made: Promise<Instance> }>();
  #attached: { readonly nodepool: Nodepool; readonly sharing: Sharing } | null = null;

  constructor(config: MetastaticConfig, options: Pick<ProviderOptions, "clock" | "logger">) {
    this.name = config.name;
    this.#terms = new Terms(config);
    this.#options = options;
  }

  async start(): Promise<void> {}

  /** What is under way is waited for by whoever lets go of it, or ends with the session: ZooKeeper may be away. */
  async stop(): Promise<void> {
    this.#attached?.sharing.end();
    this.#attached = null;
  }

  describe() {
    const labels = this.#terms.backingLabels.join(", ");
    return { summary: `shares of nodes with label ${labels}`, problem: null };
  }

  attach(nodepool: Nodepool): () => Promise<void> {
    const sharing = new Sharing({ ...this.#options, provider: this.name, terms: this.#terms }, nodepool);
    this.#attached = { nodepool, sharing };
    return () => sharing.stop();
  }

  #nodepool(): { readonly nodepool: Nodepool; readonly sharing: Sharing } {
    if (this.#attached !== null) return this.#attached;
    throw new ProviderError(`provider ${this.name}: only a launcher can use it, and none has begun to`);
  }

  progress(node: string): string | null {
    return this.#attached?.sharing.reasonOf(node) ?? null;
  }

  async listInstances(signal: AbortSignal): Promise<Instance[]> {
    signal.throwIfAborted();
    const { nodepool, sharing } = this.#nodepool();
    await nodepool.view.settled();
    const instances: Instance[] = [];
    for (const id of sharing.records.children()) {
      const found = await this.#find(id);
      if (found !== null) instances.push(found);
    }
    return instances;
  }

  /** The instance of a node that has a share. */
  async #find(id: string): Promise<Instance | null> {
    const { nodepool, sharing } = this.#nodepool();
    const node = nodepool.view.node(id);
    const share = node?.record ? shareOf(node.record) : null;
    if (node === undefined || share === null || GONE.has(node.record?.state ?? "deleted")) return null;
    return this.#instance(node, share, await sharing.records.held(share.backingNode));
  }

  #instance(node: NodeEntry, share: NodeShare, backing: SharedEntry | null): Instance {
    const { id } = node;
    const own = { [METADATA.provider]: this.name, [METADATA.node]: id };
    const common = {
      externalId: id,
      name: `np${id}`,
      metadata: { ...own, ...share.metadata },
      connectionPort: null,
      resources: { instances: 1 },
      attributes: {},
    };
    const nowhere = { interfaceIp: null, publicIpv4: null, privateIpv4: null, publicIpv6: null };
    if (backing === null) {
      const fault = `its backing node ${share.backingNode} is gone or given back`;
      return { ...common, ...nowhere, state: "failed", fault, region: null, az: null, hostId: null };
    }
    const { record } = backing.node;
    return {
      ...common,
      state: "running",
      interfaceIp: record.interfaceIp,
      publicIpv4: record.publicIpv4,
      privateIpv4: record.privateIpv4,
      publicIpv6: record.publicIpv6,
      region: record.region,
      az: record.az,
      hostId: record.hostId,
      host: {
        cloud: record.cloud,
        username: record.username,
        pythonPath: record.pythonPath,
        shellType: record.shellType,
        connectionType: record.connectionType,
        connectionPort: record.connectionPort,
        hostKeys: record.hostKeys,
        inherited: record.attributes ?? {},
      },
    };
  }

  async createInstance(spec: InstanceSpec, note: NoteInstance, signal: AbortSignal): Promise<Instance> {
    signal.throwIfAborted();
    const node = spec.metadata[METADATA.node] ?? "";
    const token = spec.metadata[METADATA.launchToken] ?? "";
    const under = this.#creating.get(node);
    if (under !== undefined && under.token === token) return await under.made;
    if (under !== undefined) throw this.#refused(node);
    const made = this.#create(spec, node, note, signal);
    this.#creating.set(node, { token, made });
    try {
      return await made;
    } catch (error) {
      if (error instanceof ProviderError || signal.aborted) throw error;
      throw new ProviderError(`provider ${this.name}: ${messageOf(error)}`, { cause: error });
    } finally {
      this.#creating.delete(node);
    }
  }

  #refused(node: string): NameTakenError {
    return new NameTakenError(`provider ${this.name}: node ${node} has an instance of another launch`);
  }

  async #create(
    spec: InstanceSpec,
    node: string,
    note: NoteInstance,
    signal: AbortSignal,
  ): Promise<Instance> {
    const { nodepool, sharing } = this.#nodepool();
    await nodepool.view.settled();
    const before = await this.#find(node);
    if (before === null) {
      const { pool, label, metadata } = spec;
      const terms = this.#terms.in(pool, label);
      if (terms === undefined) {
        throw new NotFoundError(
          `provider ${this.name}: pool ${pool} has no label ${label} that shares nodes`,
        );
      }
      const { backingLabel } = terms;
      const above = labelsAbove(spec.request?.fields?.requestor_data);
      this.#refuseCircle(label, above);
      await sharing.claim({ node, label, backingLabel, above, metadata, note }, signal);
    } else {
      const token = before.metadata[METADATA.launchToken];
      if (token !== spec.metadata[METADATA.launchToken]) throw this.#refused(node);
      await note(node);
    }
    const instance = await this.#find(node);
    if (instance?.state === "running") return instance;
    throw new ProviderError(`provider ${this.name}: ${instance?.fault ?? `node ${node} has lost its slot`}`);
  }

  /** Launching for a label that stands on itself would never end: each node of it asks for the next. */
  #refuseCircle(label: string, above: readonly string[]): void {
    if (!above.includes(label)) return;
    const way = [...above.slice(above.indexOf(label)), label].join(" -> ");
    throw new NotFoundError(
      `provider ${this.name}: label ${label} stands on itself by backing-label (${way}); name another backing-label`,
    );
  }

  /** The slot is free when the node's record is gone, or names another attempt. */
  async deleteInstance(_externalId: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
  }

  async noteUnreachable(externalId: string, reason: string): Promise<void> {
    const { nodepool, sharing } = this.#nodepool();
    const record = nodepool.view.node(externalId)?.record;
    const share = record ? shareOf(record) : null;
    if (share !== null) await sharing.fail(share.backingNode, reason);
  }

  async consoleLog(): Promise<null> {
    return null;
  }

  async listImages(): Promise<ProviderImage[]> {
    return [];
  }

  async uploadImage(): Promise<string> {
    throw new ProviderError(`provider ${this.name}: it takes no images`, { retryable: false });
  }

  async deleteImage(): Promise<void> {}

  async limits(): Promise<Resources> {
    return {};
  }

  resourcesOf(): Resources {
    return { instances: 1 };
  }
}

/** Opens a provider of the configuration. */
export function openMetastaticProvider(config: MetastaticConfig, options: ProviderOptions): Provider {
  return new MetastaticProvider(config, options);
}
