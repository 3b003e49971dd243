// More seeds of the simulated runs than the tests do: --seeds N (default 10000) --from K (default 1).
import { parseArgs } from "node:util";
import { runSeeds } from "../simulation/zookeeper_seeds.ts";

const GROUP = 500;

export async function run(args: string[], print: (line: string) => void): Promise<boolean> {
  const options = {
    seeds: { type: "string", default: "10000" },
    from: { type: "string", default: "1" },
  } as const;
  const { values } = parseArgs({ args, options });
  const [from, end] = [Number(values.from), Number(values.from) + Number(values.seeds)];
  let failures = 0;
  for (let first = from; first < end; first += GROUP) {
    const count = Math.min(GROUP, end - first);
    const { failed, struck, writes } = await runSeeds(first, count, 40);
    failures += failed.length;
    for (const { seed, faults } of failed) print(JSON.stringify({ seed, faults }));
    print(
      JSON.stringify({
        seeds: [first, first + count - 1],
        failed: failed.length,
        writes,
        points: struck.size,
      }),
    );
  }
  return failures === 0;
}
