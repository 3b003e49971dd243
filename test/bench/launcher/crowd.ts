// A launcher with thousands of ready nodes: its start, its memory, how fast it still is, and what it does when idle.
import { encodeNode, newNode } from "../../../lib/model/node.ts";
import { NODES } from "../../../lib/model/paths.ts";
import { METADATA } from "../../../lib/provider/contract.ts";
import { FakeCloud } from "../../../lib/provider/fake/cloud.ts";
import { serveCloud } from "../../../lib/provider/fake/cloud_server.ts";
import type { Session } from "../../../lib/zookeeper/types.ts";
import { runProgram } from "../../harness/program.ts";
import { fourLetterWord, lastZxid, type ZooKeeperServer } from "../../harness/zookeeper.ts";
import { GrpcLoad } from "./grpc_load.ts";
import { type Figures, percentile } from "./measure.ts";
import { residentMegabytes } from "./process_meter.ts";
import type { LauncherProgram } from "./program.ts";
import { oneByOne, WARM_UP } from "./speed.ts";
import { POOL, PROVIDER, SESSION_TIMEOUT_MS, Stage } from "./stage.ts";

const LABEL = "crowd";
const FEW = 100;
const WARM = 200;
const SETTLE_SECONDS = 10;
const IDLE_SECONDS = 20;
const PING_MS = SESSION_TIMEOUT_MS / 3;
const LISTS = 7;
const AT_ONCE = 100;

export async function measureCrowd(
  server: ZooKeeperServer,
  program: LauncherProgram,
  figures: Figures,
  many: number,
): Promise<void> {
  const few = await inCrowd(server, program, FEW, (stage) => warm(stage));
  await inCrowd(server, program, many, async (stage, startedIn) => {
    const name = `from the launcher's start with ${many} nodes until it serves`;
    figures.tell({ name, value: startedIn / 1000, unit: "s", target: 5 });
    await pause(SETTLE_SECONDS);
    await measureIdle(server, figures, many);
    const memory = { name: `memory with ${many} nodes`, value: await residentMegabytes(stage.pid) };
    figures.tell({ ...memory, unit: "MB", target: 200 });
    await measureList(stage, figures, many);
    const slower = (await warm(stage)) / few;
    const times = { name: `warm p50 with ${many} nodes against ${FEW}`, value: slower, unit: "times" };
    figures.tell({ ...times, target: 1.5 });
    const after = { name: "memory after that", value: await residentMegabytes(stage.pid), unit: "MB" };
    figures.tell({ ...after, target: 200 });
  });
}

/** Runs it with a launcher that finds so many ready nodes and keeps them. */
async function inCrowd<T>(
  server: ZooKeeperServer,
  program: LauncherProgram,
  count: number,
  run: (stage: Stage, startedIn: number) => Promise<T>,
): Promise<T> {
  const cloud = new FakeCloud();
  const cloudServer = await serveCloud(cloud);
  const setting = { program, labels: { [LABEL]: count }, cloud: cloudServer.address };
  const stage = await Stage.open(server, setting);
  try {
    await putNodes(stage.session, cloud, count);
    return await run(stage, await stage.start());
  } finally {
    await stage.close();
    await cloudServer.close();
  }
}

/** Records so many ready nodes, each with its instance. */
async function putNodes(session: Session, cloud: FakeCloud, count: number): Promise<void> {
  await session.ensurePath(NODES);
  for (let done = 0; done < count; done += AT_ONCE) {
    const nodes = Array.from({ length: Math.min(AT_ONCE, count - done) }, () => {
      const metadata: Record<string, string> = { [METADATA.provider]: PROVIDER, [METADATA.pool]: POOL };
      const instance = cloud.add("", metadata, "running");
      const record = newNode(Date.now() / 1000, {
        state: "ready",
        provider: PROVIDER,
        pool: POOL,
        type: [LABEL],
        externalId: instance.externalId,
        interfaceIp: instance.interfaceIp,
        hostKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHZs0tWYqBpCkmeDjLOpbIdJhOSlRbZrHPbOYpWxHyFC"],
        username: "zuul",
      });
      return { metadata, instance, record };
    });
    const created = await session.multi(
      nodes.map(({ record }) => {
        return { kind: "create", path: `${NODES}/`, data: encodeNode(record), mode: "persistent-sequential" };
      }),
    );
    for (const [index, { metadata, instance }] of nodes.entries()) {
      const result = created[index];
      const id = result?.kind === "create" ? result.path.slice(NODES.length + 1) : "";
      metadata[METADATA.node] = id;
      instance.name = `np${id}`;
    }
  }
}

async function warm(stage: Stage): Promise<number> {
  const load = new GrpcLoad(stage.clients);
  await oneByOne(load, LABEL, WARM_UP);
  const { wait } = await oneByOne(load, LABEL, WARM);
  return percentile(wait, 50);
}

async function measureIdle(server: ZooKeeperServer, figures: Figures, many: number) {
  const [zxid, asked] = [await lastZxid(server.port), await packets(server)];
  await pause(IDLE_SECONDS);
  const writes = Number((await lastZxid(server.port)) - zxid);
  const calls = (await packets(server)) - asked;
  const name = `idle with ${many} nodes:`;
  figures.tell({ name: `${name} writes`, value: writes / IDLE_SECONDS, unit: "/s", target: 1 });
  const pings = Math.ceil((IDLE_SECONDS * 1000) / PING_MS) + 1;
  const target = pings;
  figures.tell({
    name: `${name} packets, pings included`,
    value: calls,
    unit: `in ${IDLE_SECONDS} s`,
    target,
  });
}

/** Packets that the launcher's session has sent. */
async function packets(server: ZooKeeperServer): Promise<number> {
  const connections = (await fourLetterWord(server.port, "cons")).split("\n");
  const own = connections.filter((line) => line.includes(`,to=${SESSION_TIMEOUT_MS},`));
  if (own.length !== 1) throw new Error(`the server shows ${own.length} sessions of the launcher`);
  return Number(/recved=(\d+)/.exec(own[0] ?? "")?.[1]);
}

async function measureList(stage: Stage, figures: Figures, many: number): Promise<void> {
  const times: number[] = [];
  for (let turn = 0; turn < LISTS; turn += 1) {
    const begun = performance.now();
    const { code, stdout, stderr } = await runProgram("bin/nodepool.js", [
      "list",
      "--address",
      stage.address,
    ]);
    times.push(performance.now() - begun);
    const lines = stdout.split("\n").length;
    if (code !== 0 || lines < many)
      throw new Error(`nodepool list gave ${code} and ${lines} lines: ${stderr}`);
  }
  const name = `nodepool list of ${many} nodes, the program's start included`;
  figures.tell({ name, value: percentile(times, 50), unit: "ms", target: 300 });
}

const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
