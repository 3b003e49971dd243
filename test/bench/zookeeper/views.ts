// How long a complete, watched copy of the tree takes, how soon a change is in it, and what looking into it costs.
import { encodeNode, newNode } from "../../../lib/model/node.ts";
import { NODES, nodePath } from "../../../lib/model/paths.ts";
import { silentLogger } from "../../../lib/std/logger.ts";
import { openView } from "../../../lib/zookeeper/tree_view.ts";
import type { Operation, Session } from "../../../lib/zookeeper/types.ts";
import type { View } from "../../../lib/zookeeper/view.ts";
import { fourLetterWord, type ZooKeeperServer } from "../../harness/zookeeper.ts";
import { openPlain, openSession, type PlainClient, promised } from "./clients.ts";
import { kazoo } from "./kazoo.ts";
import { compared, median, type Report, rounded } from "./report.ts";

const CHANGES = 300;
const LOOKUPS = 100_000;
const ROUNDS = 3;
const WIDTH = 64;
const DOCUMENT = encodeNode(newNode(1, { state: "ready", type: ["small"], provider: "cloud" }));

/** Compares the start with 10,000 and 100,000 znodes, and changes after it. */
export async function compareViews(server: ZooKeeperServer, report: Report): Promise<void> {
  const session = await openSession(server);
  await session.ensurePath(NODES);
  // Every node has its lock below it, as in a busy pool: two znodes each.
  await makeNodes(session, 5000);
  await compareStart(server, 10_000, report);
  await compareDelivery(server, session, report);
  await makeNodes(session, 45_000);
  await compareStart(server, 100_000, report);
  await session.close();
}

async function makeNodes(session: Session, count: number): Promise<void> {
  const create = (
    path: string,
    data: Uint8Array,
    mode: "persistent" | "persistent-sequential",
  ): Operation => {
    return { kind: "create", path, data, mode };
  };
  const batch = Array.from({ length: 100 }, () => create(`${NODES}/`, DOCUMENT, "persistent-sequential"));
  for (let made = 0; made < count; made += batch.length) {
    const paths = (await session.multi(batch)).flatMap((result) =>
      result.kind === "create" ? [result.path] : [],
    );
    await session.multi(paths.map((path) => create(`${path}/lock`, new Uint8Array(), "persistent")));
  }
}

async function compareStart(server: ZooKeeperServer, znodes: number, report: Report): Promise<void> {
  const [ours, plain]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    ours.push(await timed(server, openSession, startView, (session) => session.close()));
    plain.push(
      await timed(server, openPlain, startPlainCopy, async (client) => {
        client.close();
      }),
    );
  }
  const name = `a copy of ${znodes} znodes is complete`;
  const cost = { unit: "ms", better: "less", target: 1 } as const;
  report(compared({ name, ours, theirs: plain, ...cost }));
  const theirs = [await kazoo(server, ["cache", NODES, String(znodes)])];
  report(compared({ name: `${name}, beside kazoo's TreeCache`, ours: [median(ours)], theirs, ...cost }));
}

async function timed<Client>(
  server: ZooKeeperServer,
  open: (server: ZooKeeperServer) => Promise<Client>,
  start: (client: Client) => Promise<void>,
  close: (client: Client) => Promise<void>,
): Promise<number> {
  const client = await open(server);
  const begin = performance.now();
  await start(client);
  const taken = performance.now() - begin;
  await close(client);
  return taken;
}

async function startView(session: Session): Promise<void> {
  const view = openView(session, silentLogger);
  await view.ready();
  await view.close();
}

/** What a copy takes with the plain API: data and children of each znode, a watch on both, all of one level at once. */
async function startPlainCopy(client: PlainClient): Promise<void> {
  let level = [NODES];
  while (level.length > 0) {
    const below: string[] = [];
    const paths = level.values();
    const visitor = async () => {
      for (const path of paths) {
        const [, names] = await Promise.all([
          promised<Uint8Array>((done) => client.getData(path, () => {}, done)),
          promised<string[]>((done) => client.getChildren(path, () => {}, done)),
        ]);
        for (const name of names) below.push(`${path}/${name}`);
      }
    };
    await Promise.all(Array.from({ length: WIDTH }, visitor));
    level = below;
  }
}

async function compareDelivery(server: ZooKeeperServer, writer: Session, report: Report): Promise<void> {
  const reader = await openSession(server);
  const view = openView(reader, silentLogger);
  await view.ready();
  const plain = await openPlain(server);
  const [node] = view.nodes();
  const path = nodePath(node?.id ?? "");
  const [ours, theirs]: [number[], number[]] = [[], []];
  const change = () => writer.set(path, DOCUMENT, -1);
  for (let index = 0; index < CHANGES; index += 1) {
    ours.push(await delay(change, nextChange(view)));
    const { seen } = await nextPlainChange(plain, path);
    theirs.push(await delay(change, seen));
  }
  const cost = { unit: "ms", better: "less", target: 1 } as const;
  report(compared({ name: "from a write to its data in the copy", ours, theirs, ...cost }));
  const others = [await kazoo(server, ["delivery", path])];
  const name = "from a write to its data in the copy, beside kazoo's DataWatch";
  report(compared({ name, ours: [median(ours)], theirs: others, ...cost }));
  plain.close();
  await reportReads(server, view, change, report);
  await view.close();
  await reader.close();
}

/** Milliseconds from a write until it has been seen. */
async function delay(write: () => Promise<unknown>, seen: Promise<void>): Promise<number> {
  const begin = performance.now();
  await Promise.all([write(), seen]);
  return performance.now() - begin;
}

function nextChange(view: View): Promise<void> {
  return new Promise((resolve) => {
    const stop = view.subscribe(() => {
      stop();
      resolve();
    });
  });
}

/** A watch that is set: what it resolves with ends when the data has been read after the event. */
async function nextPlainChange(client: PlainClient, path: string): Promise<{ seen: Promise<void> }> {
  let tell = () => {};
  const event = new Promise<void>((resolve) => {
    tell = resolve;
  });
  await promised<Uint8Array>((done) => client.getData(path, tell, done));
  const seen = event.then(async () => {
    await promised<Uint8Array>((done) => client.getData(path, done));
  });
  return { seen };
}

/** What the server receives while the copy is looked into, and while it follows changes. */
async function reportReads(
  server: ZooKeeperServer,
  view: View,
  change: () => Promise<unknown>,
  report: Report,
): Promise<void> {
  const idle = await packets(server);
  let found = 0;
  const ids = [...view.nodes()].map(({ id }) => id);
  for (let index = 0; index < LOOKUPS; index += 1) {
    if (view.node(ids[index % ids.length] ?? "")?.record?.state === "ready") found += 1;
  }
  const looked = (await packets(server)) - idle;
  report({
    name: `requests to the server for ${found} look-ups`,
    value: looked,
    unit: "requests",
    target: 0,
    target_met: looked === 0,
  });
  const before = await packets(server);
  for (let index = 0; index < CHANGES; index += 1) await Promise.all([change(), nextChange(view)]);
  const each = ((await packets(server)) - before) / CHANGES;
  report({
    name: "requests to the server for each change, the write and its one read",
    value: rounded(each),
    unit: "requests",
    target: 2,
    target_met: each < 2.05,
  });
}

let asked = 0;

/** Requests that the server has received so far, without those that ask for their number. */
async function packets(server: ZooKeeperServer): Promise<number> {
  asked += 1;
  const answer = await fourLetterWord(server.port, "mntr");
  return Number(/^zk_packets_received\t(\d+)$/m.exec(answer)?.[1] ?? Number.NaN) - asked;
}
