// What a container says of itself: its log, and the greeting of its SSH server.
import { Buffer } from "node:buffer";
import type { Clock } from "../../../std/clock.ts";
import { ProviderError } from "../../contract.ts";
import type { DockerApi } from "./docker_api.ts";
import { greets } from "./free_port.ts";

const GREETING_MS = 20_000;
const GREETING_PAUSE_MS = 50;

/**
 * Waits until the node's SSH server greets. A server that takes its time is left to the scan of its host keys.
 * @throws {ProviderError} with the last of its log when the container has ended
 */
export async function waitForGreeting(
  { api, clock }: { readonly api: DockerApi; readonly clock: Clock },
  id: string,
  port: number,
  signal: AbortSignal,
): Promise<void> {
  const until = clock.now() + GREETING_MS;
  while (clock.now() < until) {
    if (await greets(port, 1000)) return;
    const { State: state } = await api.call(signal, (docker, abortSignal) =>
      docker.getContainer(id).inspect({ abortSignal }),
    );
    if (!state.Running) {
      const log = (await readLog(api, id, 5, signal)).trim().replaceAll("\n", " | ");
      const cause = log === "" ? (state.Error ?? "") : log;
      throw new ProviderError(`the container ended with exit code ${state.ExitCode}: ${cause}`);
    }
    await clock.sleep(GREETING_PAUSE_MS, signal);
  }
}

/** The last lines that a container has written. */
export async function readLog(
  api: DockerApi,
  id: string,
  lines: number,
  signal: AbortSignal,
): Promise<string> {
  const options = { stdout: true, stderr: true, follow: false, tail: lines } as const;
  const raw = await api.call(signal, (docker, abortSignal) =>
    docker.getContainer(id).logs({ ...options, abortSignal }),
  );
  return logText(raw);
}

/** The text of a log in the engine's framing: eight bytes of header, the last four of them the length. */
function logText(raw: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; at + 8 <= raw.length; ) {
    const end = at + 8 + raw.readUInt32BE(at + 4);
    parts.push(raw.subarray(at + 8, end));
    at = end;
  }
  return Buffer.concat(parts).toString();
}
