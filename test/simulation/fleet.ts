// Simulated clients on one server or ensemble, from their start to the judgement of what they saw.
import { NODES, nodeLockPath, nodePath } from "../../lib/model/paths.ts";
import { isZooKeeperError, type Session } from "../../lib/zookeeper/types.ts";
import { faultsOf } from "./history.ts";
import { Random } from "./random.ts";
import {
  AWAITED_NODES,
  again,
  type ClientOptions,
  documentOf,
  LOCKED_NODES,
  SimulatedClient,
} from "./simulated_client.ts";

/** How long after the last fault everything may take to come to rest. */
const REST_MS = 30_000;
const MARKER = "0000009999";

export class Fleet {
  readonly clients: SimulatedClient[] = [];
  readonly #witness: Session;
  readonly #seed: number;
  #work: Promise<unknown> = Promise.resolve();

  /** `witness` sees the same tree as the clients; no fault strikes it, or only such as it lives through. */
  constructor(witness: Session, seed: number) {
    this.#witness = witness;
    this.#seed = seed;
  }

  /** Makes the tree and the clients, and begins to work: each as long as `goOn` says, asked with its step. */
  async start(clients: readonly ClientOptions[], goOn: (step: number) => boolean): Promise<void> {
    const witness = this.#witness;
    await witness.ensurePath(NODES);
    for (const node of [...LOCKED_NODES, ...AWAITED_NODES]) {
      await witness.create(nodePath(node), documentOf("first"), "persistent");
    }
    for (const [index, options] of clients.entries()) {
      const random = new Random(this.#seed * 100 + index);
      this.clients.push(new SimulatedClient(`client${index + 1}`, options, witness, random));
    }
    this.#work = Promise.all(this.clients.map((client) => client.work(goOn)));
    const random = new Random(this.#seed);
    for (const node of AWAITED_NODES) random.pick(this.clients).awaitEnd(node);
  }

  get writes() {
    return this.clients.flatMap(({ writes }) => writes);
  }

  /** Resolves when the clients have done their work, or after so long that something must hang. */
  async worked(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const limit = new Promise((resolve) => {
      timer = setTimeout(resolve, REST_MS);
    });
    await Promise.race([this.#work, limit]).finally(() => clearTimeout(timer));
  }

  /** Waits until all is at rest and says what was wrong, in words. The faults must be over. */
  async judge(): Promise<string[]> {
    const witness = this.#witness;
    await this.worked();
    for (const node of AWAITED_NODES) await again(witness, () => this.#remove(node));
    await again(witness, () => this.#mark());
    const end = performance.now() + REST_MS;
    // What a client takes for lost may stand at the server for a while: until its timeout, or until its disk has room.
    const isAtRest = async () =>
      this.clients.every((client) => this.#isAtRest(client)) &&
      (await again(witness, () => this.#leftContenders())).length === 0;
    while (!(await isAtRest()) && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return [
      ...(await again(witness, () => this.#faults())),
      ...this.clients.flatMap(({ violations }) => violations),
    ];
  }

  async close(): Promise<void> {
    await Promise.all(this.clients.map(({ view }) => view.close()));
    await Promise.all(this.clients.map(({ session }) => session.close()));
  }

  /** All earlier events come before that of the marker. */
  #isAtRest({ view, pending }: SimulatedClient): boolean {
    return view.current && view.node(MARKER)?.record?.comment === "marker" && pending.length === 0;
  }

  async #remove(node: string): Promise<void> {
    await this.#witness.delete(nodePath(node), -1).catch((error: unknown) => {
      if (!isZooKeeperError(error, "NO_NODE")) throw error;
    });
  }

  async #mark(): Promise<void> {
    await this.#witness
      .create(nodePath(MARKER), documentOf("marker"), "persistent")
      .catch((error: unknown) => {
        if (!isZooKeeperError(error, "NODE_EXISTS")) throw error;
      });
  }

  async #faults(): Promise<string[]> {
    const witness = this.#witness;
    const tree = new Map<string, string>();
    for (const node of await witness.children(NODES)) {
      const { data } = await witness.get(nodePath(node));
      tree.set(node, (JSON.parse(new TextDecoder().decode(data)) as { comment: string }).comment);
    }
    const views = new Map(
      this.clients.map(({ name, view }) => [
        name,
        new Map(Array.from(view.nodes(), ({ id, record }) => [id, record?.comment ?? "broken"])),
      ]),
    );
    const all = <T>(of: (client: SimulatedClient) => Iterable<T>) =>
      this.clients.flatMap((each) => [...of(each)]);
    return faultsOf({
      writes: this.writes,
      taken: all(({ taken }) => taken),
      otherValues: new Set(["first", "marker", ...all(({ otherValues }) => otherValues)]),
      everHeard: all(({ everHeard }) => everHeard),
      lastHeard: all(({ lastHeard }) => lastHeard),
      views,
      tree,
      leftContenders: await this.#leftContenders(),
      hung: all(({ pending }) => pending),
    });
  }

  async #leftContenders(): Promise<string[]> {
    const left: string[] = [];
    for (const node of LOCKED_NODES) {
      const line = await this.#witness.children(nodeLockPath(node)).catch((error: unknown): string[] => {
        if (isZooKeeperError(error, "NO_NODE")) return [];
        throw error;
      });
      left.push(...line.map((name) => `${nodeLockPath(node)}/${name}`));
    }
    return left;
  }
}
