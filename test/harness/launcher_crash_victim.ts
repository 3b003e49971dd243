// The launcher of a crash world, as a process of its own: it kills itself or stops at a checkpoint.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Checkpoint } from "../../services/launcher/checkpoint.ts";
import type { LauncherCase } from "./launcher_case.ts";
import { freePort } from "./ports.ts";
import { type Program, startProgram } from "./program.ts";

export const SESSION_TIMEOUT_MS = 2000;
/** Of the pool. */
export const MAX_SERVERS = 4;

/** What the launcher does at its place. */
export type Ending = "SIGKILL" | "SIGSTOP";

/** Which launcher ends, and how. */
export interface VictimSetting {
  /** Null: wherever it is when somebody else stops it. */
  readonly place: Checkpoint | null;
  /** The how manieth time that it is there. @default 1 */
  readonly time?: number;
  /** @default SIGKILL */
  readonly ending?: Ending;
  /** A line of its provider's configuration. */
  readonly provider?: string;
  /** Which of its scans for host keys finds nobody; 0: each finds the node. @default 0 */
  readonly unreachable?: number;
}

/** Starts it, with its configuration in this folder and its provider's cloud at this address. */
export async function startVictim(
  one: LauncherCase,
  folder: string,
  cloud: string,
  { place, time = 1, ending = "SIGKILL", provider = "", unreachable = 0 }: VictimSetting,
): Promise<{ readonly program: Program; readonly address: string }> {
  const file = join(folder, `${one.chroot.slice(1)}.yaml`);
  await writeFile(file, configText(one, cloud, provider));
  const address = `127.0.0.1:${await freePort()}`;
  const words = ["-c", file, "--listen", address];
  const program = startProgram("test/harness/crashing_launcher.ts", words, {
    NODEPOOL_TEST_CRASH_AT: place ?? "",
    NODEPOOL_TEST_CRASH_TIME: String(time),
    NODEPOOL_TEST_CRASH_SIGNAL: ending,
    NODEPOOL_TEST_UNREACHABLE: String(unreachable),
  });
  return { program, address };
}

function configText(one: LauncherCase, cloud: string, provider: string): string {
  return `
zookeeper-servers:
  - host: ${one.server.host}
    port: ${one.server.port}
    chroot: ${one.chroot}
zookeeper-timeout: ${SESSION_TIMEOUT_MS / 1000}
labels:
  - name: small
    min-ready: 1
  - name: large
diskimages:
  - name: image
providers:
  - name: cloud
    driver: fake
    cloud: ${cloud}
    launch-retries: 2
    ${provider}
    diskimages:
      - name: image
    pools:
      - name: main
        max-servers: ${MAX_SERVERS}
        labels:
          - name: small
            diskimage: image
          - name: large
            diskimage: image
`;
}
