// nodepool-launcher that says so and kills itself, as `kill -9` does, when it reaches the checkpoint that
// NODEPOOL_TEST_CRASH_AT names, for the time that NODEPOOL_TEST_CRASH_TIME says; with NODEPOOL_TEST_CRASH_SIGNAL=SIGSTOP it
// stops, until somebody lets it go on. Its nodes have a host key that nobody has to scan for; the scan whose number is
// NODEPOOL_TEST_UNREACHABLE finds nobody. It looks through its providers every NODEPOOL_TEST_CLEANUP_MS milliseconds.
import { writeSync } from "node:fs";
import process from "node:process";
import { runDaemon } from "../../lib/daemon/daemon.ts";
import { startLauncher } from "../../services/launcher/launcher.ts";

const place = process.env.NODEPOOL_TEST_CRASH_AT;
const time = Number(process.env.NODEPOOL_TEST_CRASH_TIME ?? 1);
const unreachable = Number(process.env.NODEPOOL_TEST_UNREACHABLE ?? 0);
const signal = process.env.NODEPOOL_TEST_CRASH_SIGNAL === "SIGSTOP" ? "SIGSTOP" : "SIGKILL";
const die = () => {
  // Not by the stream: what waits in it would be lost, or told when it goes on.
  writeSync(1, `${signal === "SIGSTOP" ? "stopped" : "dying"} at ${place}\n`);
  process.kill(process.pid, signal);
};
let times = 0;
let scans = 0;

await runDaemon({
  name: "launcher",
  process,
  start: (context) =>
    startLauncher(context, {
      cleanupIntervalMs: Number(process.env.NODEPOOL_TEST_CLEANUP_MS ?? 500),
      scanHostKeys: async () => {
        scans += 1;
        if (scans === unreachable) throw new Error("nobody answers");
        return ["ssh-ed25519 AAAA"];
      },
      checkpoint: (reached) => {
        if (reached !== place) return;
        times += 1;
        if (times !== time) return;
        // What was sent must have left this process: the kernel has it by the next turn.
        if (reached.endsWith(":sent")) setImmediate(die);
        else die();
      },
    }),
});
