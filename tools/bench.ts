// Runs one benchmark: npm run bench -- NAME [options]. Each result is one JSON object a line on standard output:
// name, value, unit, against, ratio, target, target_met. The exit code is 0 when the benchmark ran.
import { existsSync, readdirSync } from "node:fs";
import process from "node:process";

const FOLDER = "test/bench";
const known = readdirSync(FOLDER)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.replace(/\.ts$/, ""));
const [name, ...args] = process.argv.slice(2);
if (name === undefined || !existsSync(`${FOLDER}/${name}.ts`)) {
  console.error(`usage: npm run bench -- NAME [options], where NAME is one of: ${known.join(", ")}`);
  process.exit(2);
}
const benchmark = (await import(`../${FOLDER}/${name}.ts`)) as {
  run(print: (line: string) => void, args: readonly string[]): Promise<void>;
};
await benchmark.run((line) => console.log(line), args);
process.exit(0);
