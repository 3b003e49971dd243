// Asks for nodes, uses and returns them as Zuul does: by its own writes to ZooKeeper, so whichever launcher is there.
import { decodeNode, encodeNode, type NodeRecord, withNodeState } from "../../lib/model/node.ts";
import { nodeLockPath, nodePath, REQUESTS, requestPath } from "../../lib/model/paths.ts";
import { decodeRequest, encodeRequest, newRequest, type RequestRecord } from "../../lib/model/request.ts";
import { createLocks } from "../../lib/zookeeper/locks.ts";
import { type HeldLock, isZooKeeperError, type Locks, type Session } from "../../lib/zookeeper/types.ts";
import { until } from "./launcher.ts";

const PATIENCE_MS = 90_000;

/** A node that is in use. */
export interface UsedNode {
  readonly id: string;
  readonly record: NodeRecord;
  readonly lock: HeldLock;
}

export class ZuulHand {
  readonly #session: Session;
  readonly #locks: Locks;

  constructor(session: Session) {
    this.#session = session;
    this.#locks = createLocks(session);
  }

  /** Asks for a node of each label; the request's id. */
  async ask(...labels: string[]): Promise<string> {
    const request = newRequest(Date.now() / 1000, { nodeTypes: labels, requestor: "zuul" });
    await this.#session.ensurePath(REQUESTS);
    const path = await this.#session.create(
      `${REQUESTS}/200-`,
      encodeRequest(request),
      "persistent-sequential",
    );
    return path.slice(REQUESTS.length + 1);
  }

  /** Waits until a request is fulfilled or has failed. */
  async answered(id: string): Promise<RequestRecord> {
    return await until(
      `request ${id} answered`,
      async () => {
        const record = decodeRequest((await this.#session.get(requestPath(id))).data);
        return record.state === "fulfilled" || record.state === "failed" ? record : null;
      },
      PATIENCE_MS,
    );
  }

  /** Deletes a request. */
  async withdraw(id: string): Promise<void> {
    await this.#session.delete(requestPath(id), -1);
  }

  /** Waits until a request has its node, and takes it into use. */
  async use(request: string): Promise<UsedNode> {
    const [node, ...others] = await this.useAll(request);
    if (node === undefined || others.length > 0) throw new Error(`request ${request} has not one node`);
    return node;
  }

  /** Waits until a request has its nodes, and takes them into use. */
  async useAll(request: string): Promise<UsedNode[]> {
    const { state, nodes } = await this.answered(request);
    if (state === "failed") throw new Error(`request ${request} has failed`);
    const used: UsedNode[] = [];
    for (const id of nodes) {
      const lock = await this.#locks.acquire(nodeLockPath(id), { identifier: "zuul", timeout: PATIENCE_MS });
      if (lock === null) throw new Error(`node ${id} cannot be locked`);
      used.push({ id, record: await this.#write(id, "in-use"), lock });
    }
    await this.withdraw(request);
    return used;
  }

  /** Returns a node, and waits until it is gone. */
  async giveBack({ id, lock }: UsedNode): Promise<void> {
    await this.#write(id, "used");
    await lock.release();
    await until(`node ${id} gone`, async () => !(await this.#exists(nodePath(id))), PATIENCE_MS);
  }

  async #write(id: string, state: "in-use" | "used"): Promise<NodeRecord> {
    const { data, stat } = await this.#session.get(nodePath(id));
    const record = withNodeState(decodeNode(data), state, Date.now() / 1000);
    await this.#session.set(nodePath(id), encodeNode(record), stat.version);
    return record;
  }

  async #exists(path: string): Promise<boolean> {
    try {
      await this.#session.get(path);
      return true;
    } catch (error) {
      if (isZooKeeperError(error, "NO_NODE")) return false;
      throw error;
    }
  }
}
