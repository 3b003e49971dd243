// A Podman of our own: its service as a child process, with storage that nobody else uses.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { access, chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import type { Logger } from "../../std/logger.ts";
import { DockerApi } from "./container/docker_api.ts";
import { answers, hasSocket } from "./container/socket.ts";
import { HOST_PATH, runProgram } from "./program.ts";

const ASK_MS = 15_000;
/** Until a service that lives has to answer. */
const START_MS = 60_000;
const STOP_MS = 10_000;

/** Where a private Podman keeps its things. */
export interface PodmanServiceOptions {
  /** Holds images and containers; they are found again when the service is started anew. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
  /** Start it although this machine has a Docker API socket. @default false */
  readonly evenIfSocket?: boolean;
  /** Milliseconds within which it has to answer. @default 60000 */
  readonly startMs?: number;
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
  const limit = AbortSignal.timeout(ASK_MS);
  if (process.platform !== "linux") return null;
  if ((await runProgram("podman", ["--version"], limit)).code !== 0) return null;
  if (options.evenIfSocket !== true && (await hasSocket(env, limit))) return null;
  const directory = resolve(options.directory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const run = await runtimeDirectory(directory, env);
  await endPredecessor(run);
  const { startMs = START_MS } = options;
  for (const driver of await driversFor(join(directory, "storage"))) {
    const args = await serviceArguments(directory, run, driver);
    const started = await start(args, run, env, startMs);
    if (!("problem" in started)) return { ...started, stop: () => stopCleanly(started, directory, run) };
    const { problem, isSlow } = started;
    logger.warn("podman does not start", { problem, driver: driver ?? "podman's choice" });
    if (isSlow) break;
  }
  return null;
}

/**
 * The storage drivers to try, null being the one that Podman chooses. Storage keeps the driver that it was made with;
 * `vfs` works where the one that Podman chooses does not.
 */
async function driversFor(storage: string): Promise<(string | null)[]> {
  const names = await readdir(storage).catch((): string[] => []);
  if (names.includes("vfs-images")) return ["vfs"];
  return names.some((name) => name.endsWith("-images")) ? [null] : [null, "vfs"];
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
  return (await runProgram("runc", ["--version"], AbortSignal.timeout(ASK_MS))).code === 0;
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

interface StartFailure {
  readonly problem: string;
  /** It may have answered later: its process had not ended by itself. */
  readonly isSlow: boolean;
}

async function start(
  args: readonly string[],
  run: string,
  env: PodmanServiceOptions["env"],
  startMs: number,
): Promise<PodmanService | StartFailure> {
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
  const limit = AbortSignal.timeout(startMs);
  while (!hasEnded && !limit.aborted) {
    if (await answers(socket, new AbortController().signal)) {
      return { socket, stop: () => stop(child, ended, socket) };
    }
    await Promise.race([ended, new Promise((next) => setTimeout(next, 50))]);
  }
  const isSlow = !hasEnded;
  await stop(child, ended, socket);
  const words = lastWords.trim().split("\n").at(-1) || "it says nothing";
  return { problem: isSlow ? `no answer within ${startMs / 1000} s: ${words}` : words, isSlow };
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
