import { type AptOutcome, aptInstall } from "./apt.ts";
import { type Machine, thisMachine } from "./machine.ts";

/** Something that the machine has to have. */
export interface Requirement {
  /** As "diskimage-builder". */
  readonly name: string;
  /** What it is for: completes "X is needed to ...". */
  readonly why: string;
  /** The Debian packages that bring it. */
  readonly packages: readonly string[];
  /** Whether the machine can do without, with less. */
  readonly optional: boolean;
  /** Whether the machine has it. */
  probe(): Promise<boolean>;
}

export interface EnsureOptions {
  /** Takes a line for people. */
  readonly print: (line: string) => void;
  /** Whether packages may be installed. They are only where this process is root on Debian. */
  readonly mayInstall: boolean;
  readonly machine?: Machine;
}

/** What the machine has in the end. */
export interface EnsureResult {
  /** False when something that is not optional is missing. */
  readonly met: boolean;
  /** Names of the requirements that are missing. */
  readonly missing: readonly string[];
  /** Packages that were installed, without those that came with them. */
  readonly installed: readonly string[];
}

/**
 * Looks for what is required and, where it may, installs what is missing with apt-get. What is missing in the end is
 * printed with the commands that bring it. Never rejects for a requirement that cannot be met.
 */
export async function ensureRequirements(
  requirements: readonly Requirement[],
  options: EnsureOptions,
): Promise<EnsureResult> {
  const { print, mayInstall, machine = thisMachine() } = options;
  const missing = await unmet(requirements);
  if (missing.length === 0) return { met: true, missing: [], installed: [] };
  const packages = packagesOf(missing);
  if (!mayInstall || !machine.isRoot || !machine.hasApt) {
    explain(missing, machine, print);
    return { met: isMet(missing), missing: namesOf(missing), installed: [] };
  }

  for (const { name, why } of missing) print(`missing: ${name}, to ${why}`);
  const installed: string[] = [];
  let outcome = await aptInstall(packages, machine, print);
  if (outcome.ok) installed.push(...packages);
  else {
    // One package that cannot be had must not keep the others away.
    for (const requirement of missing.length > 1 ? missing : []) {
      const single: AptOutcome = await aptInstall(requirement.packages, machine, print);
      if (single.ok) installed.push(...requirement.packages);
      else outcome = single;
    }
  }
  const left = await unmet(missing);
  if (left.length > 0) {
    if (!outcome.ok) print(`apt-get could not install everything: ${outcome.problem}`);
    explain(left, machine, print);
  }
  return { met: isMet(left), missing: namesOf(left), installed };
}

async function unmet(requirements: readonly Requirement[]): Promise<Requirement[]> {
  const found = await Promise.all(requirements.map((requirement) => requirement.probe()));
  return requirements.filter((_, index) => found[index] !== true);
}

function isMet(missing: readonly Requirement[]): boolean {
  return missing.every((requirement) => requirement.optional);
}

function namesOf(requirements: readonly Requirement[]): string[] {
  return requirements.map(({ name }) => name);
}

function packagesOf(requirements: readonly Requirement[]): string[] {
  return [...new Set(requirements.flatMap((requirement) => requirement.packages))];
}

function explain(missing: readonly Requirement[], machine: Machine, print: (line: string) => void): void {
  for (const { name, why, optional } of missing) {
    print(`${name} is ${optional ? "missing; it would be used" : "needed"} to ${why}`);
  }
  const packages = packagesOf(missing).join(" ");
  if (!machine.hasApt) {
    print(`This machine has no apt-get. On Debian the packages are: ${packages}`);
    return;
  }
  const sudo = machine.isRoot ? "" : "sudo ";
  print("To install what is missing:");
  print(`  ${sudo}apt-get update`);
  print(`  ${sudo}apt-get install -y --no-install-recommends ${packages}`);
}
