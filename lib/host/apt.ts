import { rm, writeFile } from "node:fs/promises";
import process from "node:process";
import { codeOf } from "../std/errors.ts";
import type { Machine } from "./machine.ts";

/** How an installation ended. */
export type AptOutcome = { readonly ok: true } | { readonly ok: false; readonly problem: string };

const INSTALL = ["install", "--no-install-recommends", "--no-remove"];
/** Another apt-get may be at work, as on a machine that has just booted: wait for it this long. */
const LOCK_ATTEMPTS = 24;
const LOCK_PAUSE_MS = 5000;
/** A line of progress after so many packages. */
const PROGRESS_STEP = 10;

/**
 * Installs packages without recommended ones, without removing any, and without starting daemons. The lists of
 * packages are updated only when they do not have what is asked for.
 */
export async function aptInstall(
  packages: readonly string[],
  machine: Machine,
  print: (line: string) => void,
): Promise<AptOutcome> {
  let plan = await planOf(packages, machine);
  let updated = false;
  if (plan === null) {
    await update(machine, print);
    updated = true;
    plan = await planOf(packages, machine);
  }
  print(`installing ${packages.join(" ")}${plan === null ? "" : ` (${plan.summary})`}`);
  const first = await install(packages, plan?.count ?? 0, machine, print);
  if (first.ok || updated) return first;
  // The lists may name versions that the mirror no longer has.
  await update(machine, print);
  return await install(packages, plan?.count ?? 0, machine, print);
}

async function update(machine: Machine, print: (line: string) => void): Promise<void> {
  print("updating the lists of packages (apt-get update)");
  const outcome = await aptGet(["update"], machine, print);
  if (!outcome.ok) print(`apt-get update failed: ${outcome.problem}`);
}

/** What apt-get would do, or null when its lists lack a package. */
async function planOf(
  packages: readonly string[],
  machine: Machine,
): Promise<{ count: number; summary: string } | null> {
  let count: number | null = null;
  let size = "";
  // It ends with 1 because the answer is no; only what it says counts.
  await machine.run("apt-get", [...INSTALL, "--assume-no", ...packages], (line) => {
    const installed = /, (\d+) newly installed/.exec(line)?.[1];
    if (installed !== undefined) count = Number(installed);
    size = /^Need to get (?:\S+ [kMG]?B\/)?(\S+ [kMG]?B)/.exec(line)?.[1] ?? size;
  });
  if (count === null) return null;
  return { count, summary: `${count} packages${size === "" ? "" : `, ${size} to download`}` };
}

async function install(
  packages: readonly string[],
  count: number,
  machine: Machine,
  print: (line: string) => void,
): Promise<AptOutcome> {
  let done = 0;
  const release = await holdDaemons();
  try {
    return await aptGet(
      [...INSTALL, "-y", "-q", "-o", "DPkg::Options::=--force-confold", ...packages],
      machine,
      print,
      (line) => {
        if (!line.startsWith("Setting up ")) return;
        done += 1;
        if (done % PROGRESS_STEP === 0 && done < count) print(`  ${done} of ${count} packages set up`);
      },
    );
  } finally {
    await release();
  }
}

async function aptGet(
  args: readonly string[],
  machine: Machine,
  print: (line: string) => void,
  onLine: (line: string) => void = () => {},
): Promise<AptOutcome> {
  for (let attempt = 1; ; attempt++) {
    const errors: string[] = [];
    const code = await machine.run("apt-get", args, (line) => {
      if (line.startsWith("E: ")) errors.push(line.slice(3));
      onLine(line);
    });
    if (code === 0) return { ok: true };
    const isLocked = errors.some((line) => /could not get lock|unable to (acquire|lock)/i.test(line));
    if (!isLocked || attempt === LOCK_ATTEMPTS) {
      return { ok: false, problem: errors[0] ?? `apt-get ${args[0]} ended with exit code ${code}` };
    }
    if (attempt === 1) print("another package manager is at work; waiting for it");
    await machine.sleep(LOCK_PAUSE_MS);
  }
}

const POLICY = "/usr/sbin/policy-rc.d";

/**
 * Keeps the packages' daemons from being started while they are installed: programs are wanted, not services. The
 * policy holds only as long as this process lives, so nothing is blocked for good if it is killed.
 */
async function holdDaemons(): Promise<() => Promise<void>> {
  const script = `#!/bin/sh\n# Written by Nodepool while it installs packages.\nkill -0 ${process.pid} 2>/dev/null && exit 101\nexit 0\n`;
  try {
    await writeFile(POLICY, script, { mode: 0o755, flag: "wx" });
  } catch (error) {
    // The machine has a policy of its own, or none can be written (apt-get will say what is wrong).
    if (codeOf(error) === undefined) throw error;
    return async () => {};
  }
  return async () => await rm(POLICY, { force: true });
}
