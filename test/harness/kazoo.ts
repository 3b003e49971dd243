// A process that speaks kazoo, the client library of Nodepool and Zuul.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { within } from "../../lib/zookeeper/contract/fixture.ts";
import { zooKeeperInstalled } from "./zookeeper.ts";

const PYTHON = "/usr/bin/python3";
const SCRIPT = fileURLToPath(new URL("../integration/kazoo_party.py", import.meta.url));

/** Why tests with kazoo cannot run here; false when they can. */
export const withoutKazoo =
  zooKeeperInstalled && existsSync(PYTHON) ? false : "needs the packages zookeeper and python3-kazoo";

/** It does what {@link Kazoo.do} says, one command after the other. */
export class Kazoo {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  /** @param hosts as "host:port/chroot" */
  constructor(hosts: string) {
    this.#child = spawn(PYTHON, [SCRIPT, hosts], { stdio: ["pipe", "pipe", "inherit"] });
    const { stdout } = this.#child;
    assert.ok(stdout);
    this.#answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  async do(command: Record<string, unknown>): Promise<Record<string, unknown>> {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await within(60_000, this.#answers.next(), `kazoo's answer to ${command.do}`);
    if (done) throw new Error("kazoo has ended");
    return JSON.parse(value);
  }

  /** Dies without a word: its session lives on until it times out. */
  crash(): void {
    if (this.#child.pid !== undefined) process.kill(this.#child.pid, "SIGKILL");
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin?.end();
    await exited;
  }
}
