import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { promisify } from "node:util";
import { until } from "../../test/harness/launcher.ts";
import { PROJECT, runtimeCommand } from "../../test/harness/program.ts";
import { signalGroup, spawnProcessGroup } from "./process_group.ts";

const execute = promisify(execFile);
const isRootOnLinux = process.platform === "linux" && process.getuid?.() === 0;
const NOBODY = ["--reuid=65534", "--regid=65534", "--clear-groups"];

/** Ends a group whose leader has ended, as a builder does. */
const PROGRAM = `
import { systemClock } from "${PROJECT}/lib/std/clock.ts";
import { endGroup, signalGroup } from "${PROJECT}/services/builder/process_group.ts";
const pid = Number(process.env.GROUP);
const ended = Promise.resolve();
const running = { pid, ended, drained: () => ended, terminate: () => {}, signal: (name) => signalGroup(pid, name) };
await endGroup(running, systemClock, 100, new AbortController().signal);
`;

test("what a command has started by sudo does not outlive it", { skip: !isRootOnLinux }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "nodepool-group-"));
  await chmod(folder, 0o777);
  const asked = join(folder, "asked");
  const done = join(folder, "done");
  // This user may not use sudo: the test does as root what it is asked for.
  const sudo = `#!/bin/sh\necho "$*" >${asked}.new; mv ${asked}.new ${asked}; while [ ! -e ${done} ]; do sleep 0.05; done\n`;
  await writeFile(join(folder, "sudo"), sudo, { mode: 0o755 });
  await writeFile(join(folder, "end.mjs"), PROGRAM);
  const leader = spawn("sh", ["-c", `sleep 300 & exec setpriv ${NOBODY.join(" ")} true`], {
    detached: true,
    stdio: "ignore",
  });
  const group = leader.pid ?? 0;
  try {
    await new Promise((resolve) => leader.once("exit", resolve));
    const env = { PATH: `${folder}:${process.env.PATH}`, HOME: folder, GROUP: String(group) };
    const [command, ...args] = runtimeCommand("");
    const program = [command, ...args.slice(0, -1), join(folder, "end.mjs")];
    const ending = execute("setpriv", [...NOBODY, ...program], { env });
    await until("it asks for root", () => readFile(asked, "utf8").catch(() => null));
    assert.equal(await readFile(asked, "utf8"), `-n kill -9 -- -${group}\n`);
    assert.ok(signalGroup(group, "SIGKILL"));
    await writeFile(done, "");
    await ending;
    assert.equal(signalGroup(group, 0), false);
  } finally {
    signalGroup(group, "SIGKILL");
    await rm(folder, { recursive: true });
  }
});

test("what a command has written is heard, however busy the machine is when it ends", async () => {
  const env = { PATH: process.env.PATH ?? "" };
  // As much as fits into the pipe and into what is read ahead.
  const running = await spawnProcessGroup(["sh", "-c", "echo begun; sleep 0.2; seq 20000"], { env });
  let heard = "";
  await running.consume(async (text) => {
    const isFirst = heard === "";
    heard += text;
    if (!isFirst) return;
    await running.ended;
    for (const begun = Date.now(); Date.now() - begun < 3000; );
  });
  assert.equal(heard.slice(-6), "20000\n");
});
