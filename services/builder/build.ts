// One run of an image's build command, from its start to the files that it made.
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { rename, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { Clock } from "../../lib/std/clock.ts";
import { messageOf } from "../../lib/std/errors.ts";
import { onAbort } from "../../lib/std/on_abort.ts";
import { BuildFailure, type BuildOrder, buildCommand, buildEnvironment } from "./build_command.ts";
import type { BuildLogWriter } from "./build_log.ts";
import { freeSpace } from "./image_files.ts";
import { LastWords } from "./last_words.ts";
import { type CommandEnd, endGroup, type RunningCommand, type Spawn } from "./process_group.ts";
import { phaseOf } from "./progress.ts";

/** What a build runs with. */
export interface BuildTools {
  readonly spawn: Spawn;
  readonly clock: Clock;
  readonly log: BuildLogWriter;
  /** Hears that the command runs. */
  readonly onStart: () => void;
  /** Hears each phase that the command's output announces. */
  readonly onPhase: (phase: string) => void;
  /** Cancels the build; its reason is an Error whose message ends the log. */
  readonly signal: AbortSignal;
  /** How long the command has to end itself after SIGTERM, in milliseconds. */
  readonly graceMs: number;
  /** Aborted when there is no time left for that. */
  readonly abandoned: AbortSignal;
}

/**
 * Runs the build command to its end and checks that every file is there. Whatever happens, nothing that the command has
 * started is left when this resolves or rejects.
 *
 * @returns the sizes of the files in bytes, by format
 * @throws {BuildFailure}
 */
export async function runBuild(order: BuildOrder, tools: BuildTools): Promise<Map<string, number>> {
  const { log, clock } = tools;
  if (tools.signal.aborted) throw cancelled(tools.signal);
  const begun = clock.now();
  const running = await start(order, tools);
  tools.onStart();
  const words = new LastWords();
  let diskFull = false;
  const output = running
    .consume(async (text) => {
      words.hear(text);
      diskFull ||= /No space left on device|Disk quota exceeded/i.test(text);
      const phase = phaseOf(text);
      if (phase !== null) tools.onPhase(phase);
      await log.append(text);
    })
    .catch((error: unknown) => log.append(`The rest of the output was lost: ${messageOf(error)}\n`));
  const stopped = await supervise(running, order, tools);
  await output;
  if (stopped !== null) {
    await log.append(`${stopped.message}\n`);
    throw stopped;
  }
  const end = await running.ended;
  await endGroup(running, clock, tools.graceMs, tools.abandoned);
  const status = end.code ?? `killed by ${end.signal}`;
  const duration = ((clock.now() - begun) / 1000).toFixed(1);
  await log.append(`Duration: ${duration} s\nExit code: ${status}\n`);
  if (end.code !== 0) throw await failed(end, diskFull, words.line, order);
  return await checkFiles(order);
}

async function start(order: BuildOrder, { spawn, log }: BuildTools): Promise<RunningCommand> {
  try {
    return await spawn(buildCommand(order), { env: buildEnvironment(order) });
  } catch (error) {
    const failure = error instanceof BuildFailure ? error : new BuildFailure(messageFor(order, error));
    await log.append(`${failure.message}\n`);
    throw failure;
  }
}

function messageFor({ diskimage }: BuildOrder, error: unknown): string {
  return `the build command of ${diskimage.name} (dib-cmd) did not start: ${messageOf(error)}`;
}

/** Waits for the command's end, and ends it when it takes too long or is cancelled: then with the failure. */
async function supervise(
  running: RunningCommand,
  { diskimage }: BuildOrder,
  { clock, signal, graceMs, abandoned }: BuildTools,
): Promise<BuildFailure | null> {
  const failure = await new Promise<BuildFailure | null>((resolve) => {
    const stopTimer = clock.after(diskimage.buildTimeout * 1000, () => {
      resolve(new BuildFailure(`the build took longer than build-timeout (${diskimage.buildTimeout} s)`));
    });
    const stopListening = onAbort(signal, () => resolve(cancelled(signal)));
    void running.ended.then(() => {
      stopTimer();
      stopListening();
      resolve(null);
    });
  });
  if (failure === null) return null;
  await endGroup(running, clock, graceMs, abandoned);
  await running.ended;
  return failure;
}

function cancelled(signal: AbortSignal): BuildFailure {
  return new BuildFailure(`the build was cancelled: ${messageOf(signal.reason)}`);
}

async function failed(
  end: CommandEnd,
  diskFull: boolean,
  lastWords: string | null,
  order: BuildOrder,
): Promise<BuildFailure> {
  const { diskimage, stem, workspace } = order;
  const how = end.code === null ? `was killed by ${end.signal}` : `ended with status ${end.code}`;
  const what = `the build command of ${diskimage.name} ${how}`;
  if (!diskFull) {
    const said = lastWords === null ? "" : `: ${lastWords}`;
    return new BuildFailure(`${what}${said}; its log is ${order.logPath}`, end.code);
  }
  const folder = stem.slice(0, stem.lastIndexOf("/"));
  const room = `images-dir ${folder} has ${await freeSpace(folder)} free, ${workspace} has ${await freeSpace(workspace)}`;
  return new BuildFailure(`${what}: a disk is full (${room}); free some space`, end.code);
}

/** Exit status 0 does not mean that every file is there. */
async function checkFiles({ diskimage, stem }: BuildOrder): Promise<Map<string, number>> {
  // diskimage-builder's extension for squashfs is not the format's name.
  if (existsSync(`${stem}.squash`)) await rename(`${stem}.squash`, `${stem}.squashfs`);
  if (diskimage.formats.includes("tar")) await restoreTar(stem);
  const missing = diskimage.formats.filter((format) => !existsSync(`${stem}.${format}`));
  if (missing.length > 0) {
    const files = missing.map((format) => `${stem}.${format}`).join(", ");
    throw new BuildFailure(`the build command ended with status 0 but did not make ${files}`, 0);
  }
  return await fileSizes(stem, diskimage.formats);
}

/** What files take on disk, in bytes by format. @throws {Error} when one is not there */
export async function fileSizes(stem: string, formats: readonly string[]): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const format of formats) {
    const { blocks } = await stat(`${stem}.${format}`);
    sizes.set(format, blocks * 512);
  }
  return sizes;
}

/** Asked for both, diskimage-builder makes the tar, packs it as tgz and deletes it. */
async function restoreTar(stem: string): Promise<void> {
  if (existsSync(`${stem}.tar`) || !existsSync(`${stem}.tgz`)) return;
  const unfinished = `${stem}.tar-new`;
  await pipeline(createReadStream(`${stem}.tgz`), createGunzip(), createWriteStream(unfinished));
  await rename(unfinished, `${stem}.tar`);
}
