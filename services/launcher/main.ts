// nodepool-launcher: launches nodes and hands them out.
import process from "node:process";
import v8 from "node:v8";
import { runDaemon } from "../../lib/daemon/daemon.ts";
import { startLauncher } from "./launcher.ts";

// V8 lets the heap grow to several times of what is in use before it collects. Half as much again costs a twentieth of
// the launcher's processor time when it is busy, and spares half of its memory (docs/performance.md). Deno takes it only
// when it starts: see deno.json.
v8.setFlagsFromString("--heap-growing-percent=50");

await runDaemon({ name: "launcher", process, start: (context) => startLauncher(context) });
