// The launcher as a process of its own on both runtimes: how long its clients wait, how many lives it manages, what a
// life costs, and what thousands of nodes do to it. Options: --runtime node|deno, --only speed,lives,crowd, --seconds
// of lives, --requests at once, --nodes, --profile (of the lives; the system's folder for temporary files has it), --client
// FILE: the program with which Nodepool was measured, too.
import { parseArgs } from "node:util";
import { startZooKeeper } from "../harness/zookeeper.ts";
import { measureCrowd } from "./launcher/crowd.ts";
import { measureLives } from "./launcher/lives.ts";
import { Figures } from "./launcher/measure.ts";
import { launcherProgram, RUNTIMES } from "./launcher/program.ts";
import { measureSameClient } from "./launcher/same_client.ts";
import { measureSpeed } from "./launcher/speed.ts";

/** Runs the benchmark and prints one JSON object a line. */
export async function run(print: (line: string) => void, args: readonly string[]): Promise<void> {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      runtime: text(RUNTIMES.join()),
      only: text("speed,lives,crowd"),
      seconds: text("60"),
      requests: text("1000"),
      nodes: text("10000"),
      profile: { type: "boolean", default: false },
      client: { type: "string" },
    },
  });
  const parts = values.only.split(",");
  const seconds = Number(values.seconds);
  for (const runtime of RUNTIMES.filter((one) => values.runtime.includes(one))) {
    const figures = new Figures((result) => print(JSON.stringify(result)), runtime);
    const program = await launcherProgram(runtime);
    const server = await startZooKeeper({ heapMb: 1024 });
    try {
      if (parts.includes("speed")) await measureSpeed(server, program, figures, Number(values.requests));
      if (parts.includes("lives"))
        await measureLives(server, program, figures, { seconds, profile: values.profile });
      if (values.client !== undefined) {
        const { client, requests } = values;
        await measureSameClient(server, program, figures, { client, requests: Number(requests) });
      }
      if (parts.includes("crowd")) await measureCrowd(server, program, figures, Number(values.nodes));
    } finally {
      await server.close();
      program.remove();
    }
  }
}
