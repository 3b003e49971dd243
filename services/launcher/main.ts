// nodepool-launcher: launches nodes and hands them out.
import process from "node:process";
import { runDaemon } from "../../lib/daemon/daemon.ts";
import { boundHeapGrowth } from "./heap_growth.ts";
import { startLauncher } from "./launcher.ts";

boundHeapGrowth();

await runDaemon({ name: "launcher", process, start: (context) => startLauncher(context) });
