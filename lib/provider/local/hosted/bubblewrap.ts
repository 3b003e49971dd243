// Runs each command of a node in a bubblewrap sandbox over the node's root directory.
//
// A command sees the node's root as "/", processes of its own only, and this machine's network: jobs need it, and a
// network of its own would take privileges that most machines do not give. It has no capabilities and cannot gain any.
// When we are root, sandboxes run as a user id that nothing else uses, so that not even a hole in the sandbox, or a
// service on the shared network's abstract sockets, takes them for root.
import { readFile } from "node:fs/promises";
import process from "node:process";
import { failureOf, HOST_PATH, type ProgramResult, runProgram } from "../program.ts";
import type { Account } from "./accounts.ts";
import { type HostCommand, startOnPipes, startOnTerminal } from "./command.ts";
import type { CommandRequest, CommandRunner } from "./runner.ts";
import { SFTP_COPY, sftpServerInRoot } from "./sftp_server.ts";

/**
 * The owner of every file of images and nodes, and of every process of nodes, when we are root: a user id that
 * systemd's plan of user ids leaves unused.
 */
export const SANDBOX_UID = 60600;

/** Where the copy of this machine's sftp-server appears in a sandbox. */
const SFTP_MOUNT = "/.nodepool-sftp";

/** How sandboxes are made on this machine. */
export interface BubblewrapOptions {
  /** Whether we are root. */
  readonly privileged: boolean;
  /** A directory with a copy of this machine's sftp-server; null when it has none. */
  readonly sftpCopy: string | null;
}

/** Runs commands under bubblewrap. */
export function bubblewrapRunner(options: BubblewrapOptions): CommandRunner {
  return {
    isolation: "bubblewrap: own files, processes and users; this machine's network; no resource limits",
    run: async (node, request) => {
      const inImage = request.command === "sftp" ? await sftpServerInRoot(node.root) : null;
      const binds = request.command === "sftp" && inImage === null ? sftpBinds(options) : [];
      const inner = [
        ...(request.terminal === null ? ["--new-session"] : []),
        "--hostname",
        node.name,
        ...identity(request),
        "--",
        ...commandLine(request, inImage),
      ];
      const [file = "bwrap", ...args] = sandboxCommand(node.root, binds, inner, options.privileged);
      const command: HostCommand = {
        file,
        args,
        cwd: "/",
        environment: { PATH: HOST_PATH },
        signalTarget: async (pid) => {
          const found = await sandboxedProcess(pid);
          // On a terminal the sandbox's group has processes of ours in it, so the signal is for the command alone.
          return found === null || request.terminal !== null ? found : groupOf(found);
        },
      };
      return request.terminal === null ? startOnPipes(command) : startOnTerminal(command, request.terminal);
    },
  };
}

interface Bind {
  readonly source: string;
  readonly target: string;
}

/**
 * The command line of a sandbox. As root it takes two steps: the first gives the sandbox's user a way to the root
 * directory, whatever the modes of the directories above it; then root's identity is given up; the second is the
 * sandbox.
 */
export function sandboxCommand(
  root: string,
  binds: readonly Bind[],
  inner: readonly string[],
  privileged: boolean,
): string[] {
  const folders = [root, ...binds.map(({ source }) => source)];
  const stage = stageFor(folders);
  const staged = (path: string, index: number) => (privileged ? `${stage}/${index}` : path);
  const sandbox = [
    "bwrap",
    "--die-with-parent",
    "--unshare-all",
    "--share-net",
    "--bind",
    staged(root, 0),
    "/",
    ...binds.flatMap(({ source, target }, index) => ["--ro-bind", staged(source, index + 1), target]),
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--clearenv",
    ...inner,
  ];
  if (!privileged) return sandbox;
  return [
    ...setStage(stage, folders),
    "setpriv",
    `--reuid=${SANDBOX_UID}`,
    `--regid=${SANDBOX_UID}`,
    "--clear-groups",
    "--inh-caps=-all",
    "--bounding-set=-all",
    ...sandbox,
  ];
}

/** Folders that every machine has, and that a sandbox's user has no need of. */
const STAGES = ["/tmp", "/mnt", "/opt", "/srv"] as const;

/** The one that may be covered: none of these folders is in it. */
function stageFor(folders: readonly string[]): string {
  return STAGES.find((stage) => !folders.some((folder) => folder.startsWith(`${stage}/`))) ?? "/media";
}

/**
 * What shows these folders as 0, 1 and so on in the stage to the command that follows, and to nobody else. Not by
 * bubblewrap, which looks at every mount of the machine and fails when one goes meanwhile, as those of containers do.
 */
function setStage(stage: string, folders: readonly string[]): string[] {
  const steps = folders.flatMap((_folder, index) => [
    `mkdir ${stage}/${index}`,
    `mount --rbind "$${index + 1}" ${stage}/${index}`,
  ]);
  const script = [
    "set -e",
    `mount -t tmpfs -o mode=755 sandbox ${stage}`,
    ...steps,
    `shift ${folders.length}`,
  ];
  return ["unshare", "--mount", "sh", "-c", [...script, 'exec "$@"'].join("; "), "sandbox", ...folders];
}

function identity({ account, environment, terminal }: CommandRequest): string[] {
  const variables = {
    PATH: searchPath(account),
    HOME: account.home,
    USER: account.name,
    LOGNAME: account.name,
    SHELL: account.shell,
    ...(terminal === null ? {} : { TERM: terminal.type }),
    ...environment,
  };
  return [
    "--uid",
    `${account.uid}`,
    "--gid",
    `${account.gid}`,
    "--chdir",
    account.home,
    ...Object.entries(variables).flatMap(([name, value]) => ["--setenv", name, value]),
  ];
}

function searchPath(account: Account): string {
  const user = "/usr/local/bin:/usr/bin:/bin";
  const system = "/usr/local/sbin:/usr/sbin:/sbin";
  return account.uid === 0 ? `${system}:${user}` : `${user}:${system}`;
}

function commandLine({ account, command }: CommandRequest, sftpInImage: string | null): string[] {
  if (command === "shell") return [account.shell, "-l"];
  if (command !== "sftp") return [account.shell, "-c", command.text];
  if (sftpInImage !== null) return [sftpInImage];
  const { loader, program } = SFTP_COPY;
  return [`${SFTP_MOUNT}/${loader}`, "--library-path", SFTP_MOUNT, `${SFTP_MOUNT}/${program}`];
}

function sftpBinds({ sftpCopy }: BubblewrapOptions): Bind[] {
  if (sftpCopy === null) throw new Error("neither the image nor this machine has an sftp-server");
  return [{ source: sftpCopy, target: SFTP_MOUNT }];
}

/**
 * The host's id of a sandbox's command, found below the process that started the sandbox: in its own namespace it is
 * process 2, after bubblewrap's reaper.
 */
async function sandboxedProcess(pid: number): Promise<number | null> {
  const depth = (await namespaceIds(pid)).length;
  const pending = [pid];
  while (true) {
    const candidate = pending.shift();
    if (candidate === undefined) return null;
    const ids = await namespaceIds(candidate);
    if (ids.length > depth && ids.at(-1) === "2") return candidate;
    const children = await readFile(`/proc/${candidate}/task/${candidate}/children`, "utf8").catch(() => "");
    pending.push(
      ...children
        .split(" ")
        .filter((id) => id !== "")
        .map(Number),
    );
  }
}

/** The (negative) process group of a process. */
async function groupOf(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const group = /\) \S+ \d+ (\d+) /.exec(status)?.[1];
  return group === undefined ? null : -Number(group);
}

async function namespaceIds(pid: number): Promise<string[]> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return /^NSpid:\s+(.*)$/m.exec(status)?.[1]?.trim().split(/\s+/) ?? [];
}

/** Whether sandboxes can be made here: with bubblewrap's version, or why not. */
export type BubblewrapProbe = { readonly version: string } | { readonly problem: string };

/** Starts a sandbox for real, over this machine's own root, and looks whether a program runs in it. */
export async function probeBubblewrap(privileged: boolean, signal: AbortSignal): Promise<BubblewrapProbe> {
  if (process.platform !== "linux") return { problem: `bubblewrap needs Linux, this is ${process.platform}` };
  const version = await runProgram("bwrap", ["--version"], signal);
  if (version.code !== 0) return { problem: "bubblewrap is not installed (package bubblewrap)" };
  const inner = ["--hostname", "probe", "--uid", "1000", "--gid", "1000", "--chdir", "/", "--", "/bin/true"];
  const [file = "bwrap", ...args] = sandboxCommand("/", [], inner, privileged);
  const tried: ProgramResult = await runProgram(file, args, signal);
  if (tried.code !== 0) return { problem: `bubblewrap cannot make a sandbox: ${failureOf(tried)}` };
  const terminal = await runProgram("script", ["--version"], signal);
  if (terminal.code !== 0) return { problem: "the program `script` is not installed (package bsdutils)" };
  return { version: /\d[\d.]*/.exec(version.stdout)?.[0] ?? "unknown" };
}
