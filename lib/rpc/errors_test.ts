import assert from "node:assert/strict";
import { test } from "node:test";
import { type ServerError, Status } from "nice-grpc-common";
import { RichServerError } from "nice-grpc-error-details";
import { TransitionError } from "../model/node.ts";
import { SlowConsumerError } from "../std/event_queue.ts";
import { TransactionError, ZooKeeperError } from "../zookeeper/types.ts";
import {
  failedPrecondition,
  internal,
  invalidArgument,
  notFound,
  toServerError,
  unavailable,
} from "./errors.ts";

function detail<T>(error: ServerError | null, type: string): T {
  assert.ok(error instanceof RichServerError);
  const found = error.extra.find((candidate) => candidate.$type === `google.rpc.${type}`);
  assert.ok(found, `no ${type} among ${error.extra.map((extra) => extra.$type).join(", ")}`);
  return found as T;
}

test("notFound names the thing in the sentence, in ErrorInfo and in ResourceInfo", () => {
  const error = notFound("node request", "nodeRequests/200-0000000001");
  assert.equal(error.code, Status.NOT_FOUND);
  assert.equal(error.details, "there is no node request 'nodeRequests/200-0000000001'");
  const info = detail<{ reason: string; domain: string; metadata: object }>(error, "ErrorInfo");
  assert.equal(info.reason, "NODE_REQUEST_NOT_FOUND");
  assert.equal(info.domain, "nodepool");
  assert.deepEqual({ ...info.metadata }, { name: "nodeRequests/200-0000000001" });
  assert.equal(
    detail<{ resourceName: string }>(error, "ResourceInfo").resourceName,
    "nodeRequests/200-0000000001",
  );
});

test("invalidArgument carries the field as a BadRequest violation", () => {
  const error = invalidArgument("request.labels", "is empty: expected at least one label");
  const { fieldViolations } = detail<{ fieldViolations: { field: string }[] }>(error, "BadRequest");
  assert.deepEqual(
    fieldViolations.map(({ field }) => field),
    ["request.labels"],
  );
});

test("failedPrecondition names what the precondition is about", () => {
  const error = failedPrecondition("NODE_DELETED", "it is gone", { name: "nodes/0000000001" });
  const { violations } = detail<{ violations: { type: string; subject: string }[] }>(
    error,
    "PreconditionFailure",
  );
  assert.equal(violations[0]?.type, "NODE_DELETED");
  assert.equal(violations[0]?.subject, "nodes/0000000001");
});

test("unavailable tells when to come back", () => {
  const { retryDelay } = detail<{ retryDelay: { seconds: number; nanos: number } }>(
    unavailable("DRAINING", "the server is shutting down", 1500),
    "RetryInfo",
  );
  assert.deepEqual({ ...retryDelay, $type: "" }, { seconds: 1, nanos: 500_000_000, $type: "" });
});

test("a ZooKeeper connection loss becomes UNAVAILABLE with RetryInfo", () => {
  const error = toServerError(new ZooKeeperError("CONNECTION_LOSS", "gone", "/nodepool"));
  assert.equal(error?.code, Status.UNAVAILABLE);
  detail(error, "RetryInfo");
});

test("a ZooKeeper whose disk is full becomes UNAVAILABLE", () => {
  assert.equal(toServerError(new ZooKeeperError("SYSTEM_ERROR", "x"))?.code, Status.UNAVAILABLE);
});

test("a version conflict becomes ABORTED, also inside a transaction", () => {
  assert.equal(toServerError(new ZooKeeperError("BAD_VERSION", "x"))?.code, Status.ABORTED);
  const step = { kind: "check", path: "/a", version: 1 } as const;
  assert.equal(toServerError(new TransactionError("NO_NODE", 0, step))?.code, Status.ABORTED);
});

test("a transition that may not be becomes FAILED_PRECONDITION", () => {
  const error = toServerError(new TransitionError("a node in state 'deleted' cannot become 'hold'"));
  assert.equal(error?.code, Status.FAILED_PRECONDITION);
  assert.equal(error?.details, "a node in state 'deleted' cannot become 'hold'");
});

test("a consumer that fell behind becomes RESOURCE_EXHAUSTED with RetryInfo: it may begin again", () => {
  const error = toServerError(new SlowConsumerError("slow"));
  assert.equal(error?.code, Status.RESOURCE_EXHAUSTED);
  detail(error, "RetryInfo");
});

test("what nobody foresaw is no error for callers, and INTERNAL tells nothing but where to look", () => {
  assert.equal(toServerError(new TypeError("secret is undefined")), null);
  assert.equal(toServerError(new ZooKeeperError("MARSHALLING_ERROR", "x")), null);
  const error = internal("0123456789abcdef0123456789abcdef");
  assert.equal(error.code, Status.INTERNAL);
  assert.match(error.details, /trace 0123456789abcdef0123456789abcdef$/);
});
