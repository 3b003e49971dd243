// Lets a launcher go on that was stopped past its ZooKeeper session, after another one has taken over.
import assert from "node:assert/strict";
import process from "node:process";
import { ROOT } from "../../lib/model/paths.ts";
import type { Clients } from "../../lib/rpc/client.ts";
import { catchUp } from "../../lib/zookeeper/settle.ts";
import type { Session } from "../../lib/zookeeper/types.ts";
import type { View } from "../../lib/zookeeper/view.ts";
import { until } from "./launcher.ts";
import type { Program } from "./program.ts";
import { fourLetterWord, type ZooKeeperServer } from "./zookeeper.ts";

/** A launcher that was stopped, and who looks on. */
export interface Sleeper {
  readonly victim: Program;
  /** Calls it. */
  readonly clients: Clients;
  readonly session: Session;
  readonly view: View;
  /** The ZooKeeper of all of them. */
  readonly server: Pick<ZooKeeperServer, "port">;
  /** Whether nothing is on its way. */
  readonly isQuiet: () => boolean;
  /** All that must stay as it is. */
  readonly state: () => unknown;
  /** Called when all is quiet, before it goes on. */
  readonly onQuiet?: () => void;
  /** Called when it answers: what it does of itself at its waking it has done by then. */
  readonly onAwake?: () => Promise<void>;
}

/** Lets it go on while nothing else happens: it leaves all as it is, and is there again. */
export async function wakeUp(sleeper: Sleeper): Promise<void> {
  const { victim, clients, session, view, server, isQuiet, state } = sleeper;
  const own = [...victim.output().matchAll(/"session":"([0-9a-f]+)"/g)].at(-1)?.[1];
  assert.ok(own, "the launcher was stopped before it had a session");
  await until("the session of the stopped launcher is over", async () => {
    return !(await fourLetterWord(server.port, "dump")).includes(`0x${own}`);
  });
  await until("nothing is on its way", async () => {
    await catchUp({ session, view }, ROOT);
    return isQuiet();
  });
  const before = state();
  sleeper.onQuiet?.();
  process.kill(victim.pid, "SIGCONT");
  await victim.waitFor(/zookeeper session lost[\s\S]*connected to zookeeper/);
  // It answers when it has read the tree anew.
  await until("the woken launcher answers", () => clients.nodes.listNodes({}).catch(() => null));
  await sleeper.onAwake?.();
  await catchUp({ session, view }, ROOT);
  assert.deepEqual(state(), before, "what a launcher does late is of no effect");
}

/** All nodes and requests, each with the version of its record and who has locked it. */
export function recordsAndLocks(view: View): unknown {
  const nodes = [...view.nodes()].map(({ id, version, record, lock }) => {
    return { id, version, state: record?.state, lock: lock.contenders };
  });
  const requests = [...view.requests()].map(({ id, version, record, lock }) => {
    return { id, version, state: record?.state, lock: lock.contenders };
  });
  return { nodes, requests };
}
