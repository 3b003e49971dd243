// A Podman of our own: its service as a child process, with storage that nobody else uses.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { access, chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import type { Logger } from "../../std/logger.ts";
import { DockerApi } from "./container/docker_api.ts";
import { askSocket, hasSocket } from "./container/socket.ts";
import { HOST_PATH, runProgram } from "./program.ts";

const START_MS = 15_000;
const STOP_MS = 10_000;

/** Where a private Podman keeps its things. */
export interface PodmanServiceOptions {
  /** Holds images and containers; they are found again when the service is started anew. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
  /** Start it although this machine has a Docker API socket. @default false */
  readonly evenIfSocket?: boolean;
}

/** A service that answers. */
export interface PodmanService {
  /** The path of its Docker API socket. */
  readonly socket: string;
  /** Stops the service; containers that run go on running. */
  stop(): Promise<void>;
}

/**
 * Starts `podman system service`. Null when there is no Podman, when a Docker API socket answers already, or when the
 * service does not start; the last is logged with the reason.
 */
export async function startPodmanService(options: PodmanServiceOptions): Promise<PodmanService | null> {
  const { env, logger } = options;
  const limit = AbortSignal.timeout(START_MS);
  if (process.platform !== "linux") return null;
  if ((await runProgram("podman", ["--version"], limit)).code !== 0) return null;
  if (options.evenIfSocket !== true && (await hasSocket(env, limit))) return null;
  const directory = resolve(options.directory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const run = await runtimeDirectory(directory, env);
  await endPredecessor(run);
  const drivers = (await exists(join(directory, "storage/vfs-images"))) ? ["vfs"] : [null, "vfs"];
  let reason = "";
  for (const driver of drivers) {
    const args = await serviceArguments(directory, run, driver);
    const started = await start(args, run, env);
    if (typeof started !== "string") return { ...started, stop: () => stopCleanly(started, directory, run) };
    reason = started;
  }
  logger.warn("podman does not start", { problem: reason });
  return null;
}

/**
 * The directory of what must not outlive a reboot: Podman tells by it that its containers do not run any more. It is
 * the same for the same directory, and short, as the paths of sockets must be.
 */
async function runtimeDirectory(directory: string, env: PodmanServiceOptions["env"]): Promise<string> {
  const isRoot = process.getuid?.() === 0;
  const name = `nodepool-podman-${createHash("sha256").update(directory).digest("hex").slice(0, 12)}`;
  const path = join(isRoot ? "/run" : (env.XDG_RUNTIME_DIR ?? tmpdir()), name);
  await mkdir(path, { recursive: true, mode: 0o700 });
  await chmod(path, 0o700);
  return path;
}

async function serviceArguments(directory: string, run: string, driver: string | null): Promise<string[]> {
  const options = {
    root: join(directory, "storage"),
    runroot: join(run, "run"),
    tmpdir: join(run, "tmp"),
    "network-config-dir": join(directory, "networks"),
    "cgroup-manager": "cgroupfs",
    "events-backend": "none",
    ...(driver === null ? {} : { "storage-driver": driver }),
    ...((await needsRunc()) ? { runtime: "runc" } : {}),
  };
  const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  return [...flags, "system", "service", "--time=0", `unix://${socketIn(run)}`];
}

/** crun, the usual runtime, refuses control groups of the first version; runc takes both. */
async function needsRunc(): Promise<boolean> {
  if (await exists("/sys/fs/cgroup/cgroup.controllers")) return false;
  return (await runProgram("runc", ["--version"], AbortSignal.timeout(START_MS))).code === 0;
}

/** A process that was killed could not stop its service; there must be one only for one storage. */
async function endPredecessor(run: string): Promise<void> {
  const pid = Number(await readFile(pidFile(run), "utf8").catch(() => "0"));
  const isOurs = async () => {
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    return command.includes(`unix://${socketIn(run)}`);
  };
  if (!(pid > 0) || !(await isOurs())) return;
  process.kill(pid, "SIGTERM");
  const limit = AbortSignal.timeout(STOP_MS);
  while (!limit.aborted && (await isOurs())) await new Promise((next) => setTimeout(next, 50));
}

const pidFile = (run: string) => join(run, "service.pid");
const socketIn = (run: string) => join(run, "podman.sock");

async function start(
  args: readonly string[],
  run: string,
  env: PodmanServiceOptions["env"],
): Promise<PodmanService | string> {
  const socket = socketIn(run);
  await rm(socket, { force: true });
  const child = spawn("podman", args, {
    stdio: ["ignore", "ignore", "pipe"],
    // A group of its own: the terminal's Ctrl-C is for us, and we stop it when its containers are seen to.
    detached: true,
    env: {
      PATH: HOST_PATH,
      HOME: homedir(),
      ...(env.XDG_RUNTIME_DIR === undefined ? {} : { XDG_RUNTIME_DIR: env.XDG_RUNTIME_DIR }),
    },
  });
  let lastWords = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    lastWords = `${lastWords}${text}`.slice(-4096);
  });
  let hasEnded = false;
  child.once("exit", () => {
    hasEnded = true;
  });
  const ended = new Promise<void>((done) => {
    child.once("error", (error) => {
      lastWords = error.message;
      // Deno gives no exit code then.
      hasEnded = true;
      done();
    });
    child.once("close", () => done());
  });
  if (child.pid !== undefined) await writeFile(pidFile(run), String(child.pid));
  const limit = AbortSignal.timeout(START_MS);
  while (!hasEnded && !limit.aborted) {
    if (typeof (await askSocket(socket, new AbortController().signal)) !== "string") {
      return { socket, stop: () => stop(child, ended, socket) };
    }
    await Promise.race([ended, new Promise((next) => setTimeout(next, 50))]);
  }
  await stop(child, ended, socket);
  return lastWords.trim().split("\n").at(-1) || "it does not answer";
}

/** Takes away what is only there for running containers, when none is left. */
async function stopCleanly(service: PodmanService, directory: string, run: string): Promise<void> {
  const limit = AbortSignal.timeout(STOP_MS);
  const running = await new DockerApi(service.socket)
    .call(limit, (docker, abortSignal) => docker.listContainers({ abortSignal }))
    .catch(() => null);
  await service.stop();
  if (running?.length !== 0) return;
  await runProgram("umount", [join(directory, "storage/overlay")], limit);
  await rm(run, { recursive: true, force: true });
}

async function stop(child: ChildProcess, ended: Promise<void>, socket: string): Promise<void> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await ended;
  clearTimeout(timer);
  await rm(socket, { force: true });
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
