// Runs the tests that need a real OpenStack, with one if the machine can have it.
import { withOpenStack } from "./openstack_cloud.ts";
import { type Count, type Runtime, runFile, sum } from "./test_files.ts";

export const OPENSTACK_TESTS = "test/openstack/";

/** How the suite ended; `why` says why no cloud ran. */
export interface SuiteOutcome {
  readonly count: Count;
  readonly why: string | null;
}

/** Runs the files on the runtimes, with the cloud if there can be one: else they are skipped, and why is said. */
export async function runOpenStackSuite(
  files: readonly string[],
  runtimes: readonly Runtime[],
): Promise<SuiteOutcome> {
  const counts: Count[] = [];
  const why = await withOpenStack({ mayInstall: true }, async (folder) => {
    for (const file of files) {
      for (const runtime of runtimes) {
        counts.push(await runFile(runtime, file, { NODEPOOL_TEST_OPENSTACK: folder }));
      }
    }
  });
  return { count: why === null ? sum(counts) : skipFiles(files, why), why };
}

/** Says why the files are not run; each counts as one test. */
export function skipFiles(files: readonly string[], why: string): Count {
  console.log(`\n# the ${files.length} files that need a real OpenStack are skipped: ${why}`);
  return { passed: 0, failed: 0, skipped: files.length, failures: [] };
}
