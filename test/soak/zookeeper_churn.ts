// Sessions, locks, views and waits that come and go on a real server: --minutes M (default 60). Nothing may grow.
import { parseArgs } from "node:util";
import { Churn, type Rest } from "../harness/churn.ts";
import { startZooKeeper } from "../harness/zookeeper.ts";

/** Nodes of each worker between two looks at what is left. */
const LIVES = 200;
/** Laps in which memory may still find its level. */
const WARM_UP = 3;
const ALLOWED_MB = 3;

export async function run(args: string[], print: (line: string) => void): Promise<boolean> {
  const { values } = parseArgs({ args, options: { minutes: { type: "string", default: "60" } } });
  const end = performance.now() + Number(values.minutes) * 60_000;
  const server = await startZooKeeper();
  const churn = new Churn(server);
  const laps: Rest[] = [];
  try {
    await churn.start();
    while (performance.now() < end || laps.length <= WARM_UP + 1) {
      const rest = await churn.lap(LIVES);
      laps.push(rest);
      print(JSON.stringify({ lap: laps.length, ...rest }));
    }
  } finally {
    await churn.close();
    await server.close();
  }
  const grown = growth(laps);
  print(JSON.stringify({ laps: laps.length, grown }));
  return grown.length === 0;
}

/** What is more in the last lap than after warming up, by name. */
function growth(laps: readonly Rest[]): string[] {
  const [first, last] = [laps[WARM_UP], laps.at(-1)];
  if (first === undefined || last === undefined) return ["too few laps"];
  return (Object.keys(first) as (keyof Rest)[]).filter((name) => {
    return last[name] > first[name] + (name === "heapMb" ? ALLOWED_MB : 0);
  });
}
