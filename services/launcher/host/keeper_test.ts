import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Provider } from "../../../lib/provider/contract.ts";
import { silentLogger } from "../../../lib/std/logger.ts";
import { TaskGroup } from "../../../lib/std/task_group.ts";
import { ZooKeeperError } from "../../../lib/zookeeper/types.ts";
import type { Environment } from "../environment.ts";
import { HostKeepers } from "./keeper.ts";

const refusal = (code: ConstructorParameters<typeof ZooKeeperError>[0]) => new ZooKeeperError(code, "no");

/** What is logged, and how long is waited (milliseconds), while taking the lock of the hosts fails with each of these. */
async function keepingWith(...errors: Error[]) {
  const [lines, pauses]: [string[], number[]] = [[], []];
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const say = (level: string) => (message: string, fields?: object) =>
    void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const left = [...errors];
  const tasks = new TaskGroup(() => {});
  const context = {
    logger: { ...silentLogger, debug: say("debug"), error: say("error") },
    clock: { sleep: async (milliseconds: number) => void pauses.push(milliseconds) },
    hostname: "here",
    session: { connected: async () => {}, ensurePath: async () => {} },
    locks: {
      acquire: (_root: string, { signal }: { signal: AbortSignal }) => {
        const error = left.shift();
        if (error !== undefined) return Promise.reject(error);
        end();
        return new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason)),
        );
      },
    },
  };
  const keepers = new HostKeepers({ context, tasks } as unknown as Environment, () => {});
  await keepers.follow([{ name: "lab", checkHost: async () => {} } as unknown as Provider]);
  await ended;
  await tasks.close();
  return { lines, pauses };
}

describe("who stands in line to keep hosts", () => {
  it("says in the log why ZooKeeper refuses that, and tries again, less and less often", async () => {
    const { lines, pauses } = await keepingWith(...Array.from({ length: 9 }, () => refusal("NO_AUTH")));
    const line = 'error hosts cannot be kept here {"provider":"lab","error":"NO_AUTH: no"}';
    assert.deepEqual(lines, Array(9).fill(line));
    const [first = 0, , , , , , , , last = 0] = pauses;
    assert.ok(first <= 1000 && last >= 30_000 && last <= 60_000, pauses.join());
  });

  it("says so of a defect, too", async () => {
    const { lines } = await keepingWith(new TypeError("poison"));
    assert.deepEqual(lines, ['error hosts cannot be kept here {"provider":"lab","error":"poison"}']);
  });

  it("tries again soon, without a word, when ZooKeeper was away or somebody was faster", async () => {
    const codes = ["CONNECTION_LOSS", "SESSION_EXPIRED", "NO_NODE", "NODE_EXISTS"] as const;
    const { lines, pauses } = await keepingWith(...codes.map(refusal));
    assert.ok(lines.every((line) => line.startsWith("debug ")));
    assert.ok(pauses.length === codes.length && pauses.every((pause) => pause <= 1000), pauses.join());
  });
});
