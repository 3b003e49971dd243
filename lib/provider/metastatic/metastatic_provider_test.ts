// The provider contract on nodes in a real ZooKeeper. What a launcher does around each call is done here by hand: the
// node is recorded before its instance is made, the claim is written with the id, and the record goes with the instance.
import { randomUUID } from "node:crypto";
import { startZooKeeper, type ZooKeeperServer, zooKeeperInstalled } from "../../../test/harness/zookeeper.ts";
import { encodeNode, newNode } from "../../model/node.ts";
import { NODES, nodeLockPath, nodePath, REQUESTS } from "../../model/paths.ts";
import { encodeShared, sharerName } from "../../model/shared_node.ts";
import { systemClock } from "../../std/clock.ts";
import { silentLogger } from "../../std/logger.ts";
import { connectSession } from "../../zookeeper/session.ts";
import { openView } from "../../zookeeper/tree_view.ts";
import { isZooKeeperError, type Session } from "../../zookeeper/types.ts";
import { type Instance, type InstanceSpec, METADATA } from "../contract.ts";
import { type ProviderUnderTest, testProvider } from "../contract_suite.ts";
import type { NoteInstance } from "../nodepool.ts";
import { MetastaticProvider } from "./metastatic_provider.ts";
import type { MetastaticConfig } from "./terms.ts";

const BACKING = "9000000001";
const SLOTS = 20;

const label = {
  name: "small",
  diskimage: null,
  cloudImage: null,
  hostKeyChecking: false,
  consoleLog: false,
  settings: { "backing-label": "large", "max-parallel-jobs": SLOTS, "grace-time": 3600 },
};
const config: MetastaticConfig = { name: "meta", pools: [{ name: "main", labels: [label] }] };

/** The provider with a launcher's part around its calls. */
class Launching extends MetastaticProvider {
  readonly #session: Session;
  loseNextReply = false;

  constructor(session: Session) {
    super(config, { clock: systemClock, logger: silentLogger });
    this.#session = session;
  }

  override async createInstance(
    spec: InstanceSpec,
    note: NoteInstance,
    signal: AbortSignal,
  ): Promise<Instance> {
    signal.throwIfAborted();
    const id = spec.metadata[METADATA.node] ?? "";
    const record = { ...newNode(1, { provider: "meta", pool: "main", type: [spec.label] }) };
    const building = encodeNode({ ...record, state: "building" });
    await this.#session.create(nodePath(id), building, "persistent").catch((error: unknown) => {
      if (!isZooKeeperError(error, "NODE_EXISTS")) throw error;
    });
    const isLost = this.loseNextReply;
    this.loseNextReply = false;
    const write: NoteInstance = async (externalId, claim) => {
      await note(externalId);
      if (claim === undefined) return;
      const { driverData, slot } = claim;
      const data = encodeNode({ ...record, state: "building", externalId, driverData, slot });
      const set = { kind: "set", path: nodePath(id), data, version: -1 } as const;
      await this.#session.multi([...claim.operations, set]);
      if (isLost) throw new Error("the reply was lost");
    };
    return await super.createInstance(spec, write, signal);
  }

  override async deleteInstance(externalId: string, signal: AbortSignal): Promise<void> {
    await super.deleteInstance(externalId, signal);
    if ((await this.#session.children(NODES)).includes(externalId)) {
      await this.#session.deleteRecursive(nodePath(externalId));
    }
  }
}

async function putBackingNode(session: Session): Promise<void> {
  for (const path of [NODES, REQUESTS]) await session.ensurePath(path);
  const userData = encodeShared({
    provider: "meta",
    label: "small",
    slots: SLOTS,
    failed: false,
    launched: 1,
  });
  const record = newNode(1, { provider: "cloud", type: ["large"], interfaceIp: "192.0.2.1", userData });
  await session.create(nodePath(BACKING), encodeNode({ ...record, state: "in-use" }), "persistent");
  await session.ensurePath(nodeLockPath(BACKING));
  const owner = new TextEncoder().encode(sharerName("meta"));
  await session.create(`${nodeLockPath(BACKING)}/00ff__lock__`, owner, "persistent-sequential");
}

async function open(): Promise<ProviderUnderTest> {
  const server: ZooKeeperServer = await startZooKeeper();
  const session = connectSession({ servers: [server], sessionTimeoutMs: 6000, logger: silentLogger });
  await putBackingNode(session);
  const view = openView(session, silentLogger);
  await view.ready();
  const provider = new Launching(session);
  const detach = provider.attach({
    session,
    view,
    newUuid: randomUUID,
    step: async (_name, run) => await run(),
  });
  return {
    provider,
    image: { path: "", format: "", mark: "" },
    username: "zuul",
    privateKey: "",
    imageExternalId: "",
    faults: {
      loseCreateReply: () => {
        provider.loseNextReply = true;
      },
    },
    close: async () => {
      await detach();
      await provider.stop();
      await view.close();
      await session.close();
      await server.close();
    },
  };
}

testProvider("the metastatic provider", open, zooKeeperInstalled ? null : "needs the package zookeeper", {
  images: false,
  login: false,
  faults: ["loseCreateReply"],
});
