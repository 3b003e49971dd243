// nodepool-launcher that kills itself, as `kill -9` does, when it reaches the checkpoint that NODEPOOL_TEST_CRASH_AT
// names. Its nodes have a host key that nobody has to scan for.
import process from "node:process";
import { runDaemon } from "../../lib/daemon/daemon.ts";
import { startLauncher } from "../../services/launcher/launcher.ts";

const place = process.env.NODEPOOL_TEST_CRASH_AT;
const die = () => process.kill(process.pid, "SIGKILL");

await runDaemon({
  name: "launcher",
  process,
  start: (context) =>
    startLauncher(context, {
      cleanupIntervalMs: 500,
      scanHostKeys: async () => ["ssh-ed25519 AAAA"],
      checkpoint: (reached) => {
        if (reached !== place) return;
        // What was sent must have left this process: the kernel has it by the next turn.
        if (reached.endsWith(":sent")) setImmediate(die);
        else die();
      },
    }),
});
