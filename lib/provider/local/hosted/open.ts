// Probes for the engines whose nodes live in this process.
import { join } from "node:path";
import process from "node:process";
import type { ProviderOptions } from "../../options.ts";
import type { ProbedEngine } from "../engine.ts";
import { bubblewrapRunner, probeBubblewrap, SANDBOX_UID } from "./bubblewrap.ts";
import { HostedEngine } from "./hosted_engine.ts";
import { plainProcessRunner, probePlainProcess } from "./plain_process.ts";
import { copySftpServer } from "./sftp_server.ts";

/** The engine that runs commands under bubblewrap, or why there is none. */
export async function openSandbox(
  directory: string,
  options: ProviderOptions,
  signal: AbortSignal,
): Promise<ProbedEngine> {
  const privileged = process.getuid?.() === 0;
  const probe = await probeBubblewrap(privileged, signal);
  if ("problem" in probe) return probe;
  const copy = join(directory, "sftp-server");
  const sftpCopy = (await copySftpServer(copy, signal)) ? copy : null;
  const engine = new HostedEngine({
    ...options,
    kind: "sandbox",
    summary: `sandbox (bubblewrap ${probe.version}, in-process SSH)`,
    runner: bubblewrapRunner({ privileged, sftpCopy }),
    directory,
    owner: privileged ? SANDBOX_UID : null,
  });
  return { engine };
}

/** The engine that runs commands as plain processes, or why it cannot. */
export async function openPlainProcess(directory: string, options: ProviderOptions): Promise<ProbedEngine> {
  const problem = await probePlainProcess();
  if (problem !== null) return { problem };
  const user = process.getuid?.() === 0 ? ", as root" : "";
  const engine = new HostedEngine({
    ...options,
    kind: "process",
    summary: `process (no isolation, host binaries${user})`,
    runner: plainProcessRunner(),
    directory,
    owner: null,
  });
  return { engine };
}
