// Nodes and requests as somebody sees and changes them who speaks to ZooKeeper itself, as Zuul does.
import { decodeNode, encodeNode, type NodeState, withNodeState } from "../../lib/model/node.ts";
import { NODES, nodePath, REQUESTS, requestPath } from "../../lib/model/paths.ts";
import {
  decodeRequest,
  encodeRequest,
  newRequest,
  type RequestRecord,
  type RequestState,
} from "../../lib/model/request.ts";
import { LONGEST_SESSION_MS } from "../../lib/zookeeper/contract/fixture.ts";
import { isZooKeeperError, type Session } from "../../lib/zookeeper/types.ts";
import { until } from "./launcher.ts";
import type { LauncherCase } from "./launcher_case.ts";

/** Launchers that are started several at a time take their time on a busy machine. */
const PATIENCE_MS = 180_000;

export class TreeHand {
  readonly session: Session;

  /** Also before any launcher is there. */
  static async open(one: LauncherCase): Promise<TreeHand> {
    // Who looks on must not lose it, however long the machine has no time for him.
    const session = await one.session(LONGEST_SESSION_MS);
    for (const path of [NODES, REQUESTS]) await session.ensurePath(path);
    return new TreeHand(session);
  }

  private constructor(session: Session) {
    this.session = session;
  }

  /** Writes a request as Zuul does; gives its id. */
  async ask(more: Partial<RequestRecord> = {}): Promise<string> {
    const record = newRequest(Date.now() / 1000, { nodeTypes: ["large"], requestor: "zuul", ...more });
    const path = await this.session.create(
      `${REQUESTS}/200-`,
      encodeRequest(record),
      "persistent-sequential",
    );
    return path.slice(REQUESTS.length + 1);
  }

  /** Deletes a request behind the launcher's back, as its creator may. */
  async withdraw(id: string): Promise<void> {
    await this.session.delete(requestPath(id), -1);
  }

  /** Waits until a request's document says this state. */
  async untilRequest(id: string, state: RequestState): Promise<void> {
    await until(
      `${id} is ${state}`,
      async () => decodeRequest((await this.session.get(requestPath(id))).data).state === state,
      PATIENCE_MS,
    );
  }

  /** Waits until a request has a node in this state; null: until any free node is in it. Gives the node's id. */
  async node(request: string | null, state: NodeState): Promise<string> {
    return await until(
      `a node of ${request} is ${state}`,
      async () => {
        for (const id of await this.session.children(NODES)) {
          const data = await this.session.get(nodePath(id)).catch(ignoreMissing);
          if (!data || data.data.length === 0) continue;
          const record = decodeNode(data.data);
          if (record.allocatedTo === request && record.state === state) return id;
        }
        return null;
      },
      PATIENCE_MS,
    );
  }

  /** Says of a node that it was used, as Zuul does in the end. */
  async use(id: string): Promise<void> {
    const { data } = await this.session.get(nodePath(id));
    const used = withNodeState(decodeNode(data), "used", Date.now() / 1000);
    await this.session.set(nodePath(id), encodeNode(used), -1);
  }

  /** Waits until a node is ready for anybody, or gone. */
  async untilFree(id: string): Promise<void> {
    await until(
      `node ${id} is free`,
      async () => {
        const znode = await this.session.get(nodePath(id)).catch(ignoreMissing);
        if (znode === null) return true;
        const { state, allocatedTo } = decodeNode(znode.data);
        return state === "ready" && allocatedTo === null;
      },
      PATIENCE_MS,
    );
  }

  /** Waits until nobody is in the line of a lock; the root that a dead launcher leaves is swept much later. */
  async untilUnlocked(root: string): Promise<void> {
    await until(
      `${root} is free`,
      async () => ((await this.session.children(root).catch(ignoreMissing)) ?? []).length === 0,
      PATIENCE_MS,
    );
  }

  async untilGone(path: string): Promise<void> {
    await until(
      `${path} is gone`,
      async () => (await this.session.get(path).catch(ignoreMissing)) === null,
      PATIENCE_MS,
    );
  }
}

function ignoreMissing(error: unknown): null {
  if (isZooKeeperError(error, "NO_NODE")) return null;
  throw error;
}
