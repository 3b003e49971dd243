// Runs each command of a node as a plain process of this machine: its programs, its files, our own user. No isolation.
import { access } from "node:fs/promises";
import process from "node:process";
import { HOST_PATH } from "../program.ts";
import { type HostCommand, startOnPipes, startOnTerminal } from "./command.ts";
import { resolveInRoot } from "./rooted_path.ts";
import type { CommandRequest, CommandRunner } from "./runner.ts";
import { sftpServerOfHost } from "./sftp_server.ts";

/** Runs commands with this machine's shell, in the account's home below the node's root directory. */
export function plainProcessRunner(): CommandRunner {
  return {
    isolation: "none: this machine's programs, files and user",
    run: async (node, request) => {
      const home = await resolveInRoot(node.root, request.account.home);
      const [file, ...args] = await commandLine(request);
      const command: HostCommand = {
        file,
        args,
        cwd: home,
        environment: {
          PATH: HOST_PATH,
          HOME: home,
          USER: request.account.name,
          LOGNAME: request.account.name,
          SHELL: SHELL,
          ...(request.terminal === null ? {} : { TERM: request.terminal.type }),
          ...request.environment,
        },
        signalTarget: async (pid) => -pid,
      };
      return request.terminal === null ? startOnPipes(command) : startOnTerminal(command, request.terminal);
    },
  };
}

const SHELL = "/bin/sh";

async function commandLine({ command }: CommandRequest): Promise<[string, ...string[]]> {
  if (command === "shell") return [SHELL, "-l"];
  if (command !== "sftp") return [SHELL, "-c", command.text];
  const server = await sftpServerOfHost();
  if (server === null) throw new Error("this machine has no sftp-server (package openssh-sftp-server)");
  return [server];
}

/** Why plain processes cannot serve as nodes here; null when they can. */
export async function probePlainProcess(): Promise<string | null> {
  if (process.platform === "win32") return "the process engine needs a Unix system";
  try {
    await access(SHELL);
    return null;
  } catch {
    return `there is no ${SHELL} on this machine`;
  }
}
