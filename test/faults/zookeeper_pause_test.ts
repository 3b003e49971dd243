// A process that holds a lock is stopped for longer than its session lives, at twenty moments of its work. Another
// takes the lock meanwhile; what the first writes when it goes on must not count.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { nodeLockPath, nodePath } from "../../lib/model/paths.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { createLocks } from "../../lib/zookeeper/locks.ts";
import { connectSession, type ZooKeeperSession } from "../../lib/zookeeper/session.ts";
import { runtimeCommand } from "../harness/program.ts";
import { startZooKeeper, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";
import { faultsOf, type GuardedWrite } from "../simulation/history.ts";
import { Random } from "../simulation/random.ts";
import { documentOf } from "../simulation/simulated_client.ts";

const skip = zooKeeperInstalled ? false : "needs the package zookeeper";
const WRITERS = 4;
const PAUSES = 5;
const CHROOT = "/paused";

/** A process that writes under a lock; its writes come as they are told. */
class Writer {
  readonly writes: GuardedWrite[] = [];
  readonly #child: ChildProcess;
  #heard = () => {};

  constructor(server: ZooKeeperServer, node: string, name: string) {
    const [command, ...args] = runtimeCommand("test/faults/paused_writer.ts");
    const own = [server.host, String(server.port), CHROOT, node, name];
    this.#child = spawn(command, [...args, ...own], { stdio: ["ignore", "pipe", "inherit"] });
    if (this.#child.stdout === null) throw new Error("the writer has no output");
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const told = JSON.parse(line) as GuardedWrite & { zxid: string | null };
      this.writes.push({ ...told, client: name, zxid: told.zxid === null ? null : BigInt(told.zxid) });
      this.#heard();
    });
  }

  /** Resolves with the first of the writes from now on that is as asked. */
  async next(matches: (write: GuardedWrite) => boolean): Promise<GuardedWrite> {
    for (let seen = this.writes.length; ; ) {
      const found = this.writes.slice(seen).find(matches);
      if (found !== undefined) return found;
      seen = this.writes.length;
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  signal(name: NodeJS.Signals): void {
    if (this.#child.pid !== undefined) process.kill(this.#child.pid, name);
  }
}

describe("a holder of a lock that is stopped past its session", { skip }, () => {
  let server: ZooKeeperServer;
  let session: ZooKeeperSession;
  before(async () => {
    server = await startZooKeeper({ tickTime: 200 });
    session = connectSession({
      servers: [server],
      chroot: CHROOT,
      sessionTimeoutMs: 10_000,
      logger: silentLogger,
    });
    await session.ensurePath("/nodepool/nodes");
  });
  after(async () => {
    await session.close();
    await server.close();
  });

  it(`changes nothing when it goes on (${WRITERS * PAUSES} times)`, async () => {
    const histories = Array.from({ length: WRITERS }, (_, index) => pauseWriter(index + 1));
    for (const { writes, faults } of await Promise.all(histories)) {
      assert.deepEqual(faults, []);
      const refused = writes.filter(({ outcome }) => outcome !== "committed").length;
      assert.ok(refused >= PAUSES, `only ${refused} of the writer's writes were stopped`);
    }
  });

  async function pauseWriter(number: number): Promise<{ writes: GuardedWrite[]; faults: string[] }> {
    const node = `000000000${number}`;
    const random = new Random(number);
    await session.create(nodePath(node), documentOf("first"), "persistent");
    const writer = new Writer(server, node, `writer${number}`);
    const ours: GuardedWrite[] = [];
    try {
      for (let round = 0; round < PAUSES; round += 1) {
        await writer.next(({ outcome }) => outcome === "committed");
        // From here on: a busy machine may have it lose its session before it is stopped.
        const stopped = writer.next(({ outcome }) => outcome !== "committed");
        await new Promise((resolve) => setTimeout(resolve, random.below(40)));
        writer.signal("SIGSTOP");
        ours.push(await writeUnderLock(node, `ours-${number}-${round}`));
        writer.signal("SIGCONT");
        await stopped;
      }
    } finally {
      writer.signal("SIGKILL");
    }
    const writes = [...writer.writes, ...ours];
    return { writes: writer.writes, faults: faultsOf(await historyOf(node, writes)) };
  }

  /** Waits until the stopped one's session is over, and writes; the lock is given back at once. */
  async function writeUnderLock(node: string, value: string): Promise<GuardedWrite> {
    const lock = await createLocks(session).acquire(nodeLockPath(node), { timeout: 60_000 });
    assert.ok(lock, "the lock of a stopped process comes free");
    const set = { kind: "set", path: nodePath(node), data: documentOf(value), version: -1 } as const;
    const [, result] = await session.multi([lock.guard(), set]);
    const token = Number(lock.contender.slice(-10));
    await lock.release();
    const zxid = result?.kind === "set" ? result.stat.mzxid : null;
    return { client: "ours", node, value, token, outcome: "committed", zxid };
  }

  async function historyOf(node: string, writes: readonly GuardedWrite[]) {
    const { data } = await session.get(nodePath(node));
    const { comment } = JSON.parse(new TextDecoder().decode(data)) as { comment: string };
    return {
      writes,
      tree: new Map([[node, comment]]),
      taken: [],
      otherValues: new Set<string>(),
      everHeard: [],
      lastHeard: [],
      views: new Map(),
      leftContenders: [],
      hung: [],
    };
  }
});
