import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startRequirements, testRequirements } from "./catalogue.ts";
import type { Machine } from "./machine.ts";
import { ensureRequirements, type Requirement } from "./requirements.ts";

/** A Debian machine whose apt-get knows some packages and installs them. */
class FakeDebian implements Machine {
  readonly isRoot: boolean = true;
  readonly hasApt: boolean = true;
  readonly commands: string[] = [];
  readonly installed = new Set<string>();
  known = new Set(["alpha", "beta"]);
  afterUpdate = new Set<string>();
  lockedFor = 0;
  slept = 0;

  constructor(facts: Partial<Pick<Machine, "isRoot" | "hasApt">> = {}) {
    Object.assign(this, facts);
  }

  async run(command: string, args: readonly string[], onLine: (line: string) => void = () => {}) {
    this.commands.push([command, ...args].join(" "));
    if (args[0] === "update") {
      for (const name of this.afterUpdate) this.known.add(name);
      return 0;
    }
    const packages = args.filter(
      (arg, index) => index > 0 && !arg.startsWith("-") && args[index - 1] !== "-o",
    );
    const unknown = packages.find((name) => !this.known.has(name));
    if (unknown !== undefined) {
      onLine(`E: Unable to locate package ${unknown}`);
      return 100;
    }
    if (args.includes("--assume-no")) {
      onLine(`0 upgraded, ${packages.length} newly installed, 0 to remove and 9 not upgraded.`);
      onLine("Need to get 3,407 kB of archives.");
      return 1;
    }
    if (this.lockedFor > 0) {
      this.lockedFor -= 1;
      onLine("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt-get)");
      return 100;
    }
    for (const name of packages) this.installed.add(name);
    return 0;
  }

  async sleep() {
    this.slept += 1;
  }

  needs(name: string, optional = false): Requirement {
    return {
      name: `program ${name}`,
      why: `do ${name}`,
      packages: [name],
      optional,
      probe: async () => this.installed.has(name),
    };
  }
}

async function ensure(machine: FakeDebian, requirements: readonly Requirement[], mayInstall = true) {
  const lines: string[] = [];
  const print = (line: string) => lines.push(line);
  return { ...(await ensureRequirements(requirements, { print, mayInstall, machine })), lines };
}

describe("what a machine has to have", () => {
  it("is installed by root on Debian, with a word on what and why, and no update without need", async () => {
    const machine = new FakeDebian();
    const result = await ensure(machine, [machine.needs("alpha"), machine.needs("beta", true)]);
    assert.deepEqual(result.installed, ["alpha", "beta"]);
    assert.equal(result.met, true);
    assert.deepEqual(result.lines, [
      "missing: program alpha, to do alpha",
      "missing: program beta, to do beta",
      "installing alpha beta (2 packages, 3,407 kB to download)",
    ]);
    assert.equal(machine.commands.length, 2);
  });

  it("is left alone when it is there", async () => {
    const machine = new FakeDebian();
    machine.installed.add("alpha");
    const result = await ensure(machine, [machine.needs("alpha")]);
    assert.deepEqual([result.met, result.lines, machine.commands], [true, [], []]);
  });

  it("is never installed where that is not wanted: the commands are printed", async () => {
    const machine = new FakeDebian();
    const result = await ensure(machine, [machine.needs("alpha")], false);
    assert.deepEqual([result.met, result.missing, machine.commands], [false, ["program alpha"], []]);
    assert.deepEqual(result.lines, [
      "program alpha is needed to do alpha",
      "To install what is missing:",
      "  apt-get update",
      "  apt-get install -y --no-install-recommends alpha",
    ]);
  });

  it("is named with sudo for a user who is not root", async () => {
    const machine = new FakeDebian({ isRoot: false });
    const { lines } = await ensure(machine, [machine.needs("alpha")]);
    assert.equal(lines.at(-1), "  sudo apt-get install -y --no-install-recommends alpha");
    assert.deepEqual(machine.commands, []);
  });

  it("is named by its packages where there is no apt-get", async () => {
    const machine = new FakeDebian({ hasApt: false });
    const { lines, met } = await ensure(machine, [machine.needs("alpha", true)]);
    assert.deepEqual(lines, [
      "program alpha is missing; it would be used to do alpha",
      "This machine has no apt-get. On Debian the packages are: alpha",
    ]);
    assert.equal(met, true);
  });

  it("is looked for in fresh lists when apt-get does not know a package", async () => {
    const machine = new FakeDebian();
    machine.afterUpdate.add("gamma");
    const { met, installed } = await ensure(machine, [machine.needs("gamma")]);
    assert.deepEqual([met, installed], [true, ["gamma"]]);
    assert.equal(machine.commands.filter((command) => command === "apt-get update").length, 1);
  });

  it("waits for another package manager", async () => {
    const machine = new FakeDebian();
    machine.lockedFor = 3;
    const { met, lines } = await ensure(machine, [machine.needs("alpha")]);
    assert.deepEqual([met, machine.slept], [true, 3]);
    assert.deepEqual(lines.slice(-1), ["another package manager is at work; waiting for it"]);
  });

  it("is not kept away by another package that cannot be had", async () => {
    const machine = new FakeDebian();
    const { met, missing, installed, lines } = await ensure(machine, [
      machine.needs("nowhere", true),
      machine.needs("alpha"),
    ]);
    assert.deepEqual([met, missing, installed], [true, ["program nowhere"], ["alpha"]]);
    assert.ok(lines.includes("apt-get could not install everything: Unable to locate package nowhere"));
  });
});

describe("the catalogue", () => {
  it("names packages and a purpose for everything, each probe answering on any machine", async () => {
    for (const requirement of [...startRequirements(), ...testRequirements()]) {
      assert.ok(requirement.packages.length > 0, requirement.name);
      assert.match(requirement.why, /^[a-z]/);
      assert.equal(typeof (await requirement.probe()), "boolean");
    }
  });
});
