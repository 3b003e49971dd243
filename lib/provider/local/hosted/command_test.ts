import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { describe, test } from "node:test";
import { until } from "../../../../test/harness/launcher.ts";
import { HOST_PATH } from "../program.ts";
import { type HostCommand, quote, startOnPipes, startOnTerminal } from "./command.ts";
import type { CommandEnd, RunningCommand } from "./runner.ts";

function shell(text: string, changes: Partial<HostCommand> = {}): HostCommand {
  return {
    file: "/bin/sh",
    args: ["-c", text],
    cwd: tmpdir(),
    environment: { PATH: HOST_PATH },
    signalTarget: async (pid) => -pid,
    ...changes,
  };
}

async function outputOf(command: RunningCommand): Promise<string> {
  let text = "";
  for await (const chunk of command.stdout) text += String(chunk);
  return text;
}

/** How a command ended, once nothing of it is left that would still act. */
async function endOf(command: RunningCommand): Promise<CommandEnd> {
  command.stdout.resume();
  command.stderr.resume();
  await command.closed;
  return command.exited;
}

/** What is sent to processes while something is done, and soon after; nothing of it reaches them. */
async function signalsSent(act: () => void): Promise<unknown[]> {
  const { kill } = process;
  const sent: unknown[] = [];
  process.kill = (...signal) => {
    sent.push(signal);
    return true;
  };
  try {
    act();
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.kill = kill;
  }
  return sent;
}

function isRunning(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8") !== "";
  } catch {
    return false;
  }
}

describe("a command of a session", () => {
  test("that cannot be started is an error, not an exit code", async () => {
    await assert.rejects(startOnPipes(shell("", { file: "/no/such/program" })), /ENOENT/);
    await assert.rejects(startOnPipes(shell("true", { cwd: "/no/such/place" })), /ENOENT/);
  });

  test("ends with its code or with the signal that ended it", async () => {
    assert.deepEqual(await endOf(await startOnPipes(shell("exit 4"))), { code: 4, signal: null });
    const waiting = await startOnPipes(shell("sleep 60"));
    waiting.signal("TERM");
    assert.deepEqual(await endOf(waiting), { code: null, signal: "TERM" });
  });

  test("takes no signal that SSH does not know", async () => {
    const waiting = await startOnPipes(shell("sleep 60"));
    waiting.signal("STOP");
    waiting.signal("TERM; true");
    waiting.kill();
    assert.deepEqual(await endOf(waiting), { code: null, signal: "KILL" });
  });

  test("that is over sends nothing to its process group, which may be somebody else's now", async () => {
    const command = await startOnPipes(shell("true"));
    await endOf(command);
    const act = () => {
      command.kill();
      command.signal("TERM");
    };
    assert.deepEqual(await signalsSent(act), []);
  });

  test("takes with it what it has left in its process group", async () => {
    const command = await startOnPipes(shell("sleep 60 > /dev/null 2>&1 & echo $!"));
    const sleeping = (await outputOf(command)).trim();
    await until("the rest has ended", () => !isRunning(sleeping));
  });

  test("on a terminal gets its arguments as they are", async () => {
    const words = ["it's", 'a "word"', "$HOME `id` \\", "two\nlines", ""];
    const printing = await startOnTerminal(shell("", { file: "/usr/bin/printf", args: ["[%s]", ...words] }), {
      rows: 24,
      columns: 80,
    });
    assert.equal(
      (await outputOf(printing)).replaceAll("\r\n", "\n"),
      words.map((word) => `[${word}]`).join(""),
    );
  });

  test("on a terminal does not hold the pipe that told the terminal's name", async () => {
    const listing = await startOnTerminal(shell("ls /proc/self/fd | tr '\\n' ' '"), {
      rows: 24,
      columns: 80,
    });
    assert.equal((await outputOf(listing)).includes(" 4 "), false);
  });

  test("has its words quoted for the shell", () => {
    assert.equal(quote("it's $x"), "'it'\\''s $x'");
  });
});
