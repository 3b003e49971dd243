// Runs the tests that need a real OpenStack, with one if the machine can have it. A cloud that cannot be brought up is no
// failure of ours: its tests are skipped, and say why.
import { withOpenStack } from "./openstack_cloud.ts";
import { type Count, type Runtime, runFile, sum } from "./test_files.ts";

export const OPENSTACK_TESTS = "test/openstack/";
/** Seconds after which a run of all tests begins no cloud any more, and the suite no further file. */
const LATEST_START = 1320;
const LATEST_FILE = 600;

/** How the suite ended; `why` says why no cloud ran. */
export interface SuiteOutcome {
  readonly count: Count;
  readonly why: string | null;
}

/** Runs the files on the runtimes, with the cloud if there can be one. @param secondsGone by the tests before these */
export async function runOpenStackSuite(
  files: readonly string[],
  runtimes: readonly Runtime[],
  { mayInstall, secondsGone }: { readonly mayInstall: boolean; readonly secondsGone: number },
): Promise<SuiteOutcome> {
  let count: Count | null = null;
  const late =
    secondsGone > LATEST_START ? `the other tests took ${Math.round(secondsGone)} s already` : null;
  const why =
    late ??
    (await withOpenStack({ mayInstall }, async (folder) => {
      count = await runFiles(files, runtimes, { NODEPOOL_TEST_OPENSTACK: folder });
    }));
  if (why !== null) {
    console.log(`\n# the ${files.length} files that need a real OpenStack are skipped: ${why}`);
    count = skipped(files.length);
  }
  return { count: count ?? sum([]), why };
}

/** Files that are not run count as one test each. */
function skipped(files: number): Count {
  return { passed: 0, failed: 0, skipped: files };
}

async function runFiles(
  files: readonly string[],
  runtimes: readonly Runtime[],
  env: Readonly<Record<string, string>>,
): Promise<Count> {
  const began = performance.now();
  const counts: Count[] = [];
  for (const file of files) {
    // The services are the same for both runtimes, and a test takes half a minute of their CPU: one runtime will do.
    for (const runtime of runtimes.slice(0, 1)) {
      if ((performance.now() - began) / 1000 > LATEST_FILE) {
        console.log(`\n# ${runtime.name} ${file} is skipped: the files before it took ${LATEST_FILE} s`);
        counts.push(skipped(1));
      } else counts.push(await runFile(runtime, file, env));
    }
  }
  return sum(counts);
}
