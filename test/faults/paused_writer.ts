// Writes to a node under its lock, again and again, until it is ended: paused_writer.ts HOST PORT CHROOT NODE NAME
// Each write is one line of JSON. It is stopped in the middle by its parent, for longer than its session lives.
import process from "node:process";
import { nodeLockPath, nodePath } from "../../lib/model/paths.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import { createLocks } from "../../lib/zookeeper/locks.ts";
import { connectSession } from "../../lib/zookeeper/session.ts";
import { TransactionError } from "../../lib/zookeeper/types.ts";
import { documentOf } from "../simulation/simulated_client.ts";

const [, , host = "", port = "", chroot = "", node = "", name = ""] = process.argv;
const servers = [{ host, port: Number(port) }];
const session = connectSession({ servers, chroot, sessionTimeoutMs: 1000, logger: silentLogger });
const locks = createLocks(session);
let count = 0;
while (true) {
  const lock = await locks.acquire(nodeLockPath(node), { timeout: 60_000 }).catch(() => null);
  if (lock === null) continue;
  // Whoever works under a lock should stop when it is lost. This one does not look: the guard has to stop it.
  for (let refused = false; !refused; ) {
    count += 1;
    const value = `${name}-${count}`;
    const set = { kind: "set", path: nodePath(node), data: documentOf(value), version: -1 } as const;
    const token = Number(lock.contender.slice(-10));
    const write = await session.multi([lock.guard(), set]).then(
      ([, result]) => ({
        outcome: "committed",
        zxid: result?.kind === "set" ? `${result.stat.mzxid}` : null,
      }),
      (error: unknown) => ({
        outcome: error instanceof TransactionError ? "refused" : "unknown",
        zxid: null,
      }),
    );
    refused = write.outcome === "refused";
    process.stdout.write(`${JSON.stringify({ node, value, token, ...write })}\n`);
  }
}
