// Finds a container engine that can run nodes.
import { randomBytes } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, messageOf } from "../../../std/errors.ts";
import type { ProviderOptions } from "../../options.ts";
import type { ProbedEngine } from "../engine.ts";
import { ContainerEngine } from "./container_engine.ts";
import { freePort } from "./free_port.ts";
import type { Tweaks } from "./node_container.ts";
import { probeContainers } from "./probe.ts";
import { type AnsweringSocket, askSocket, socketPlaces } from "./socket.ts";

/** Where containers are looked for. */
export interface ContainerOptions extends ProviderOptions {
  readonly directory: string;
  /** The only socket to use; null: look at the usual places. */
  readonly socket: string | null;
}

/** The engine that runs nodes as containers, or why there is none. */
export async function openContainers(options: ContainerOptions, signal: AbortSignal): Promise<ProbedEngine> {
  const problems: string[] = [];
  const silent: string[] = [];
  for (const place of options.socket === null ? socketPlaces(options.env) : [options.socket]) {
    const answer = await askSocket(place, signal, options.socket !== null);
    if (typeof answer === "string") {
      silent.push(`${place} ${answer}`);
      continue;
    }
    try {
      const tweaks = await probeContainers(answer, signal);
      return { engine: await open(options, answer, tweaks) };
    } catch (error) {
      signal.throwIfAborted();
      problems.push(`${answer.engine} at ${place}: ${messageOf(error)}`);
    }
  }
  const nowhere = `no Docker API socket answered: ${silent.join(", ")}`;
  return { problem: problems.length === 0 ? nowhere : problems.join("; ") };
}

async function open(
  options: ContainerOptions,
  socket: AnsweringSocket,
  tweaks: Tweaks,
): Promise<ContainerEngine> {
  const notes = [
    socket.engine,
    ...(tweaks.runc && !/\brunc$/.test(socket.engine) ? ["runc for nodes"] : []),
    ...(tweaks.noLimits ? ["no resource limits"] : []),
  ];
  return new ContainerEngine({
    socket,
    tweaks,
    summary: `containers (${notes.join(", ")})`,
    owner: await installationOf(options.directory),
    ownsInstances: options.ownsInstances,
    choosePort: freePort,
    logger: options.logger,
    clock: options.clock,
  });
}

/**
 * A word that is this provider's alone, made once and kept in its directory: other installations on this machine may
 * have a provider of the same name at the same engine.
 */
async function installationOf(directory: string): Promise<string> {
  const path = join(directory, "installation");
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  await writeFile(draft, randomBytes(8).toString("hex"), { mode: 0o600 });
  try {
    await link(draft, path);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  } finally {
    await rm(draft);
  }
  return (await readFile(path, "utf8")).trim();
}
