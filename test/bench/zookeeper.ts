// Our session and view beside node-zookeeper-client's own API and kazoo's, on one real server in one run.
import { startZooKeeper } from "../harness/zookeeper.ts";
import { compareCalls } from "./zookeeper/calls.ts";
import type { Report } from "./zookeeper/report.ts";
import { compareViews } from "./zookeeper/views.ts";

/** Runs the benchmark and prints one JSON object a line. */
export async function run(print: (line: string) => void): Promise<void> {
  const report: Report = (result) => print(JSON.stringify(result));
  const server = await startZooKeeper({ heapMb: 1024 });
  try {
    await compareCalls(server, report);
    await compareViews(server, report);
  } finally {
    await server.close();
  }
}
