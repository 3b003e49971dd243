// Random configurations without end: npm run soak -- config-fuzz [rounds] [seed].
import { samples } from "../harness/config_corpus.ts";
import { fuzz } from "../harness/config_fuzz.ts";
import { Random } from "../simulation/random.ts";

const AT_ONCE = 5000;

/** Tries so many texts. False at the first that is neither loaded nor explained. */
export async function run(args: string[], print: (line: string) => void): Promise<boolean> {
  const rounds = Number(args[0] ?? 100_000);
  const seed = Number(args[1] ?? 1);
  const texts = samples().map(({ text }) => text);
  for (let done = 0; done < rounds; done += AT_ONCE) {
    const part = seed + done / AT_ONCE;
    try {
      const { loaded, refused, slowestMs } = fuzz(new Random(part), texts, Math.min(AT_ONCE, rounds - done));
      print(
        `seed ${part}: ${loaded} loaded, ${refused} refused, the slowest took ${Math.round(slowestMs)} ms`,
      );
    } catch (error) {
      print(`seed ${part}: ${(error as Error).message}\n${String((error as Error).cause)}`);
      return false;
    }
  }
  return true;
}
