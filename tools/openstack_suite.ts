// Runs the tests that need a real OpenStack, with one if the machine can have it. A cloud that cannot be brought up is no
// failure of ours: its tests are skipped, and say why.
import { withOpenStack } from "./openstack_cloud.ts";
import { type Count, deno, node, type Runtime, runFile, sum } from "./test_files.ts";

export const OPENSTACK_TESTS = "test/openstack/";
/** A run on both runtimes has each file on one of them: the services are the same, at half a minute of CPU a test. */
const ON_DENO = [`${OPENSTACK_TESTS}life_test.ts`];
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
    console.log(`\n# the tests against a real OpenStack are skipped: ${why}`);
    count = await runFiles(files, runtimes, without(why));
  }
  return { count: count ?? sum([]), why };
}

function without(why: string): Record<string, string> {
  return { NODEPOOL_TEST_NO_OPENSTACK: why, NODEPOOL_TEST_OPENSTACK: "" };
}

async function runFiles(
  files: readonly string[],
  runtimes: readonly Runtime[],
  env: Readonly<Record<string, string>>,
): Promise<Count> {
  const began = performance.now();
  const counts: Count[] = [];
  for (const file of files) {
    const both = ON_DENO.includes(file) ? deno : node;
    for (const runtime of runtimes.length > 1 ? [both] : runtimes) {
      const isLate = (performance.now() - began) / 1000 > LATEST_FILE;
      counts.push(
        await runFile(runtime, file, isLate ? without(`the files before it took ${LATEST_FILE} s`) : env),
      );
    }
  }
  return sum(counts);
}
