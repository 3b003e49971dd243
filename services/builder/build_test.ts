import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import type { DiskImageConfig } from "../../lib/config/types.ts";
import { systemClock } from "../../lib/std/clock.ts";
import { diskimage } from "../../test/harness/builder_state.ts";
import { runBuild } from "./build.ts";
import type { BuildFailure, BuildOrder } from "./build_command.ts";
import { BuildLogs } from "./build_log.ts";
import { signalGroup, spawnProcessGroup } from "./process_group.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "nodepool-build-"));
  await mkdir(join(folder, "images"));
});
after(() => rm(folder, { recursive: true, force: true }));

/** Generous: the machine may be busy. */
const PATIENCE = 60_000;
const ENV = { PATH: process.env.PATH, LANG: "C" };

function order(given: Partial<DiskImageConfig> = {}, more: Partial<BuildOrder> = {}): BuildOrder {
  return {
    diskimage: diskimage("ubuntu", given),
    build: "0123",
    workspace: folder,
    stem: join(folder, "images", "ubuntu-0123"),
    elementsDir: "/etc/elements",
    env: ENV,
    packageDir: "/opt/nodepool",
    logPath: "/var/log/ubuntu-0123.log",
    ...more,
  };
}

/** A build command of a few shell lines; `$out` is the path that the builder gave with -o. */
async function script(lines: string): Promise<string> {
  const path = join(folder, `dib-${Math.floor(process.hrtime()[1])}`);
  const find = 'while [ "$1" != -o ]; do shift; done; out=$2';
  await writeFile(path, `#!/bin/sh\n${find}\n${lines}\n`);
  await chmod(path, 0o755);
  return path;
}

interface Ran {
  readonly sizes: Map<string, number> | null;
  readonly failure: BuildFailure | null;
  readonly log: string;
  readonly phases: string[];
  /** Nobody is left in the process group that was started. */
  readonly gone: boolean;
}

/** What a script says when it has begun; a run with `cancelled` is cancelled then. */
const BEGUN = 'echo "nodepool-phase: begun"';

interface Hand {
  /** Why it is cancelled when it has begun. @default it is not */
  readonly cancelled?: string;
  /** Why it is cancelled while its command is being started. @default it is not */
  readonly cancelledAtOnce?: string;
  readonly graceMs?: number;
  readonly abandoned?: AbortSignal;
}

async function run(what: BuildOrder, { cancelled, cancelledAtOnce, ...hand }: Hand = {}): Promise<Ran> {
  const cancel = new AbortController();
  const logs = new BuildLogs(join(folder, "logs"), 7);
  const build = "0123456789abcdef0123456789abcdef";
  const log = await logs.begin("ubuntu", build);
  const phases: string[] = [];
  let group = 0;
  const tools = {
    spawn: async (...args: Parameters<typeof spawnProcessGroup>) => {
      const running = await spawnProcessGroup(...args);
      group = running.pid;
      if (cancelledAtOnce !== undefined) cancel.abort(new Error(cancelledAtOnce));
      return running;
    },
    clock: systemClock,
    log,
    onStart: () => {},
    onPhase: (phase: string) => {
      phases.push(phase);
      if (phase === "begun" && cancelled !== undefined) cancel.abort(new Error(cancelled));
    },
    signal: cancel.signal,
    graceMs: 1000,
    abandoned: new AbortController().signal,
    ...hand,
  };
  let sizes: Map<string, number> | null = null;
  let failure: BuildFailure | null = null;
  try {
    sizes = await runBuild(what, tools);
  } catch (error) {
    failure = error as BuildFailure;
  }
  await logs.end("ubuntu", build);
  const text = await readFile(logs.path("ubuntu", build), "utf8");
  return { sizes, failure, log: text, phases, gone: group === 0 || !signalGroup(group, 0) };
}

describe("a run", () => {
  test("that makes every file succeeds; its output, both streams, is the log with the exit code at the end", async () => {
    const dibCommand = await script(
      'echo building; echo warning >&2; echo x >"$out.qcow2"; echo "$DIB_IMAGE_NAME"',
    );
    const { sizes, failure, log } = await run(order({ dibCommand }));
    assert.equal(failure, null);
    assert.deepEqual([...(sizes?.keys() ?? [])], ["qcow2"]);
    assert.match(log, /^(?=[\s\S]*building\n)(?=[\s\S]*warning\n)(?=[\s\S]*ubuntu\n)[\s\S]*Exit code: 0\n$/);
  });

  test("tells its phases", async () => {
    const hooks = 'echo "dib-run-parts Running /h/root.d/1"; echo "dib-run-parts Running /h/install.d/1"';
    const dibCommand = await script(`${hooks}; echo x >"$out.qcow2"`);
    const { phases } = await run(order({ dibCommand }));
    assert.equal(phases.at(-1), "installing");
  });

  test("that fails is a failure with its status", async () => {
    const { failure, log } = await run(order({ dibCommand: await script("echo no such element; exit 3") }));
    assert.equal(
      failure?.message,
      "the build command of ubuntu ended with status 3: no such element; its log is /var/log/ubuntu-0123.log",
    );
    assert.equal(failure?.exitCode, 3);
    assert.match(log, /^no such element\nDuration: \d+\.\d s\nExit code: 3\n$/);
  });

  test("that ends with status 0 without a file is a failure that names the file", async () => {
    const dibCommand = await script('echo x >"$out.raw"');
    const stem = join(folder, "images", "ubuntu-missing");
    const { failure } = await run(order({ dibCommand, formats: ["raw", "tar"] }, { stem }));
    assert.equal(failure?.message, `the build command ended with status 0 but did not make ${stem}.tar`);
  });

  test("finds a squashfs under the name that diskimage-builder gives it", async () => {
    const dibCommand = await script('echo x >"$out.squash"');
    const { sizes } = await run(order({ dibCommand, formats: ["squashfs"] }));
    assert.deepEqual([...(sizes?.keys() ?? [])], ["squashfs"]);
  });

  test("finds the tar again that diskimage-builder deletes when a tgz is asked for too", async () => {
    const stem = join(folder, "images", "ubuntu-both");
    const dibCommand = await script('echo content | gzip >"$out.tgz"');
    const { sizes } = await run(order({ dibCommand, formats: ["tar", "tgz"] }, { stem }));
    assert.deepEqual([...(sizes?.keys() ?? [])], ["tar", "tgz"]);
    assert.equal(await readFile(`${stem}.tar`, "utf8"), "content\n");
  });

  test("on a full disk says so, with the room that is left", async () => {
    const dibCommand = await script('echo "tar: write error: No space left on device" >&2; exit 2');
    const { failure } = await run(order({ dibCommand }));
    assert.match(
      failure?.message ?? "",
      /status 2: a disk is full \(images-dir .* has \d+ MiB free, .* has \d+ MiB/,
    );
  });

  test("of a command that is not there names it and where it was looked for", async () => {
    const { failure, log } = await run(order({ dibCommand: "no-such-dib" }));
    assert.match(
      failure?.message ?? "",
      /dib-cmd\) did not start: cannot run no-such-dib: no such program in PATH/,
    );
    assert.match(log, /did not start/);
  });

  test("of a file that is not executable says so", async () => {
    const path = join(folder, "plain");
    await writeFile(path, "");
    const { failure } = await run(order({ dibCommand: path }));
    assert.match(failure?.message ?? "", /cannot run .*plain: it is not executable/);
  });

  test("longer than build-timeout is ended with everything that it has started", async () => {
    const dibCommand = await script("sleep 300 & sleep 300");
    const { failure, log, gone } = await run(order({ dibCommand, buildTimeout: 0.3 }));
    assert.equal(failure?.message, "the build took longer than build-timeout (0.3 s)");
    assert.match(log, /the build took longer than build-timeout \(0\.3 s\)\n$/);
    assert.ok(gone, "a process is left");
  });

  test("that ignores SIGTERM is killed after the grace", async () => {
    const dibCommand = await script(`trap '' TERM; ${BEGUN}; sleep 300 & while :; do sleep 1; done`);
    const { failure, gone } = await run(order({ dibCommand }), { cancelled: "enough" });
    assert.match(failure?.message ?? "", /enough/);
    assert.ok(gone, "a process is left");
  });

  test("that ignores SIGTERM is killed at once when there is no time left", async () => {
    const dibCommand = await script(`trap '' TERM; ${BEGUN}; sleep 300 & while :; do sleep 1; done`);
    const abandoned = AbortSignal.abort(new Error("the grace is over"));
    const hand = { cancelled: "enough", graceMs: 600_000, abandoned };
    const { gone } = await run(order({ dibCommand }), hand);
    assert.ok(gone, "a process is left");
  });

  test("may clean up after SIGTERM", async () => {
    const dibCommand = await script(
      `trap 'echo unmounting; exit 1' TERM; ${BEGUN}; while :; do sleep 0.1; done`,
    );
    const { log } = await run(order({ dibCommand }), { cancelled: "enough", graceMs: PATIENCE });
    assert.match(log, /begun\n(Terminated\n)?unmounting\n/);
  });

  test("may clean up with the helper through which it writes", async () => {
    const dibCommand = await script(
      [
        'mkfifo "$out.pipe"; sed -u "/^nodepool-phase/!s/^/> /" <"$out.pipe" & exec >"$out.pipe" 2>&1',
        "trap 'sleep 0.2; echo unmounting; rm \"$out.pipe\"; exit 1' TERM",
        `${BEGUN}; while :; do sleep 0.1; done`,
      ].join("\n"),
    );
    const { log, gone } = await run(order({ dibCommand }), { cancelled: "enough", graceMs: PATIENCE });
    assert.match(log, /^nodepool-phase: begun\n(> Terminated\n)?> unmounting\n/);
    assert.ok(gone, "a process is left");
  });

  test("that is cancelled is ended, and the log says why", async () => {
    const dibCommand = await script(`${BEGUN}; sleep 300`);
    const { failure, log, gone } = await run(order({ dibCommand }), { cancelled: "the builder is stopping" });
    assert.equal(failure?.message, "the build was cancelled: the builder is stopping");
    assert.match(log, /the builder is stopping\n$/);
    assert.ok(gone, "a process is left");
  });

  test("that is cancelled while its command starts is ended", async () => {
    const dibCommand = await script("sleep 3");
    const { failure } = await run(order({ dibCommand }), { cancelledAtOnce: "the builder is stopping" });
    assert.equal(failure?.message, "the build was cancelled: the builder is stopping");
  });

  test("leaves no daemon behind that its command has started", async () => {
    const dibCommand = await script('sleep 300 & echo x >"$out.qcow2"');
    const { failure, gone } = await run(order({ dibCommand }));
    assert.equal(failure, null);
    assert.ok(gone, "a process is left");
  });

  test("with much output on both streams loses nothing and keeps lines whole", async () => {
    const dibCommand = await script(
      'i=0; while [ $i -lt 3000 ]; do echo "out $i"; echo "err $i" >&2; i=$((i+1)); done; echo x >"$out.qcow2"',
    );
    const { log } = await run(order({ dibCommand }));
    const lines = log.trimEnd().split("\n");
    assert.equal(lines.length, 6002);
    assert.ok(lines.slice(0, -2).every((line) => /^(out|err) \d+$/.test(line)));
  });
});
