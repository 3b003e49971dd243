// Random edits of a launcher's configuration, each planned and then made: npm run soak -- plan [edits] [seed].
import { editAtRandom } from "../harness/plan_life.ts";
import { Random } from "../simulation/random.ts";

const AT_ONCE = 50;

/** Makes so many edits. False at the first whose plan is not what then happens. */
export async function run(args: string[], print: (line: string) => void): Promise<boolean> {
  const edits = Number(args[0] ?? 500);
  const first = Number(args[1] ?? 1);
  for (let seed = first; seed < first + Math.ceil(edits / AT_ONCE); seed += 1) {
    try {
      const counts = await editAtRandom(new Random(seed), AT_ONCE);
      print(`seed ${seed}: ${AT_ONCE} edits, planned and happened: ${JSON.stringify(counts)}`);
    } catch (error) {
      print(`seed ${seed}: ${(error as Error).message}`);
      return false;
    }
  }
  return true;
}
