// Zuul's scheduler on kazoo, told step by step what to do: see zuul_scheduler.py.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { until } from "./launcher.ts";
import { PROJECT } from "./program.ts";

/** A machine that has much else to do takes twelve times as long. */
const PATIENCE_MS = 240_000;

interface Happening {
  readonly event: "asked" | "revised" | "taken" | "returned" | "held" | "released" | "done";
  readonly job?: number;
  readonly request?: string;
  readonly done?: boolean;
  readonly nodes?: readonly string[] | number;
}

export class ZuulScheduler {
  readonly #child: ChildProcess;
  readonly #happened: Happening[] = [];
  #complaint = "";
  #exitCode: number | null | undefined;

  /**
   * Starts it.
   *
   * @param hosts the ZooKeeper as kazoo takes it
   * @param label what its jobs ask for
   */
  constructor(hosts: string, label: string) {
    const script = `${PROJECT}/test/harness/zuul_scheduler.py`;
    this.#child = spawn("/usr/bin/python3", [script, hosts, label], { stdio: ["pipe", "pipe", "pipe"] });
    const { stdin, stdout, stderr } = this.#child;
    stdin?.on("error", () => {});
    stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#complaint += text;
    });
    if (stdout !== null) {
      createInterface({ input: stdout }).on("line", (line) => this.#happened.push(JSON.parse(line)));
    }
    this.#child.once("close", (code) => {
      this.#exitCode = code;
    });
  }

  /** The jobs that have had their nodes, in the order in which they got them. */
  get served(): readonly number[] {
    return this.#happened.flatMap(({ event, job }) => (event === "taken" && job !== undefined ? [job] : []));
  }

  /** The nodes that a job has taken; none before that. */
  nodesOf(job: number): readonly string[] {
    const { nodes = [] } = this.#find("taken", job) ?? {};
    return typeof nodes === "number" ? [] : nodes;
  }

  /** Asks for so many nodes; the request's id. Its relative priority is the job's number. */
  async ask(job: number, nodes: number): Promise<string> {
    this.#tell({ do: "ask", job, nodes });
    return (await this.#heard("asked", job)).request ?? "";
  }

  /** Gives a request that waits another relative priority; false when somebody else has it locked. */
  async revise(job: number, priority: number): Promise<boolean> {
    this.#tell({ do: "revise", job, priority });
    return (await this.#heard("revised", job)).done === true;
  }

  /** Gives the nodes back that a job has taken. */
  async giveBack(job: number): Promise<void> {
    this.#tell({ do: "return", job });
    await this.#heard("returned", job);
  }

  /** Has the nodes kept that a job has taken. */
  async hold(job: number): Promise<void> {
    this.#tell({ do: "return", job, hold: true });
    await this.#heard("held", job);
  }

  /** Ends a hold. */
  async release(job: number): Promise<void> {
    this.#tell({ do: "release", job });
    await this.#heard("released", job);
  }

  /** Waits until so many jobs have had their nodes. */
  async untilServed(count: number): Promise<void> {
    await this.#until(`${count} jobs have nodes`, () => this.served.length >= count);
  }

  /** Waits until every node is deleted, and for its end. @throws {Error} when a promise to Zuul was broken */
  async end(): Promise<void> {
    this.#tell({ do: "end" });
    await this.#until("the scheduler's end", () => this.#exitCode !== undefined);
    assert.equal(this.#exitCode, 0, this.#complaint);
    assert.equal(this.#happened.at(-1)?.event, "done");
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #tell(command: Readonly<Record<string, unknown>>): void {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  #find(event: Happening["event"], job: number): Happening | undefined {
    return this.#happened.findLast((one) => one.event === event && one.job === job);
  }

  #heard(event: Happening["event"], job: number): Promise<Happening> {
    return this.#until(`job ${job} ${event}`, () => this.#find(event, job));
  }

  #until<T>(what: string, check: () => T | undefined | false): Promise<T> {
    return until(
      what,
      () => {
        const found = check();
        const isOver = this.#exitCode !== undefined && (found === undefined || found === false);
        if (isOver)
          throw new Error(`the scheduler ended (${this.#exitCode}) before ${what}: ${this.#complaint}`);
        return found;
      },
      PATIENCE_MS,
    );
  }
}
