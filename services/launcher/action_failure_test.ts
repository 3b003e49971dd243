import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { silentLogger } from "../../lib/std/logger.ts";
import { ZooKeeperError, type ZooKeeperErrorCode } from "../../lib/zookeeper/types.ts";
import { tellFailure } from "./action_failure.ts";
import type { Environment } from "./environment.ts";

/** What is told of an action that failed with this. */
function toldOf(error: unknown) {
  const lines: string[] = [];
  const say = (level: string) => (message: string, fields?: object) =>
    void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const logger = { ...silentLogger, debug: say("debug"), warn: say("warn"), error: say("error") };
  const conflicts: unknown[] = [];
  const metrics = { conflict: (attributes: unknown) => void conflicts.push(attributes) };
  const environment = { context: { logger }, metrics } as unknown as Environment;
  tellFailure(environment, { kind: "reset", request: "200-1" }, error);
  const [line = "", ...more] = lines;
  assert.deepEqual(more, []);
  return { level: line.slice(0, line.indexOf(" ")), line, conflicts };
}

const toldOfCode = (code: ZooKeeperErrorCode) => toldOf(new ZooKeeperError(code, "so it is", "/nodepool/x"));

describe("an action that was not done", () => {
  it("is a conflict when somebody else was faster, and nothing to log", () => {
    for (const code of ["NO_NODE", "NODE_EXISTS", "BAD_VERSION", "NOT_EMPTY"] as const) {
      const { level, conflicts } = toldOfCode(code);
      assert.deepEqual([level, conflicts], ["debug", [{ action: "reset" }]], code);
    }
  });

  it("is neither while ZooKeeper is away or has too much to do: that passes", () => {
    const passing = ["CONNECTION_LOSS", "OPERATION_TIMEOUT", "SESSION_MOVED", "SESSION_EXPIRED"] as const;
    for (const code of [...passing, "CLOSED", "THROTTLED"] as const) {
      const { level, conflicts } = toldOfCode(code);
      assert.deepEqual([level, conflicts], ["debug", []], code);
    }
  });

  it("is a warning when the server cannot do it", () => {
    const { level, conflicts } = toldOfCode("SYSTEM_ERROR");
    assert.deepEqual([level, conflicts], ["warn", []]);
  });

  it("is an error with its message when ZooKeeper refuses it, or anything else is thrown", () => {
    const refusals = ["NO_AUTH", "INVALID_ACL", "AUTH_FAILED", "MARSHALLING_ERROR", "BAD_ARGUMENTS"] as const;
    for (const code of [...refusals, "UNIMPLEMENTED", "UNKNOWN"] as const) {
      const { line, conflicts } = toldOfCode(code);
      const fields = { action: "reset", subject: "request:200-1", error: `${code}: so it is (/nodepool/x)` };
      assert.deepEqual([line, conflicts], [`error action failed ${JSON.stringify(fields)}`, []], code);
    }
    assert.equal(toldOf(new TypeError("no")).level, "error");
  });
});
