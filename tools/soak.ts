// Runs one long test: npm run soak -- NAME [options]. The exit code is 0 when nothing was wrong.
import { existsSync, readdirSync } from "node:fs";
import process from "node:process";

const FOLDER = "test/soak";
const known = readdirSync(FOLDER)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.replace(/\.ts$/, "").replaceAll("_", "-"));
const [name, ...args] = process.argv.slice(2);
const file = `${FOLDER}/${name?.replaceAll("-", "_")}.ts`;
if (name === undefined || !existsSync(file)) {
  console.error(`usage: npm run soak -- NAME [options], where NAME is one of: ${known.join(", ")}`);
  process.exit(2);
}
const soak = (await import(`../${file}`)) as {
  run(args: string[], print: (line: string) => void): Promise<boolean>;
};
process.exit((await soak.run(args, (line) => console.log(line))) ? 0 : 1);
