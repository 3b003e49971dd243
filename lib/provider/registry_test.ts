import assert from "node:assert/strict";
import { test } from "node:test";
import { localConfig } from "../../test/harness/local_provider.ts";
import { systemClock } from "../std/clock.ts";
import { silentLogger } from "../std/logger.ts";
import { ProviderError } from "./contract.ts";
import { openProvider } from "./registry.ts";

const open = (changes: object) => openProvider({ ...localConfig({}), ...changes }, { logger: silentLogger });

async function refusal(changes: object): Promise<ProviderError> {
  const error = await open(changes).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ProviderError);
  assert.equal(error.retryable, false);
  return error;
}

test("a driver of Nodepool that is not served is named as such", async () => {
  const { message } = await refusal({ name: "cloud", driver: "aws" });
  assert.match(
    message,
    /^provider cloud: driver 'aws' is not served by this version; it serves: fake, local(, \w+)*$/,
  );
});

test("an unknown driver is answered with those that there are", async () => {
  const { message } = await refusal({ driver: "constructor" });
  assert.match(
    message,
    /provider here: there is no driver 'constructor'; known are: fake, local, .*openshift/,
  );
});

test("a wrong key of the local driver names the key, its value and what it may be", async () => {
  const engine = await refusal({ settings: { engine: "vm" } });
  assert.match(
    engine.message,
    /provider here: engine is "vm"; it must be one of auto, container, sandbox, process/,
  );
  const socket = await refusal({ settings: { socket: 7 } });
  assert.match(socket.message, /provider here: socket is 7; it must be a path/);
});

test("what a label takes is what its keys say, one instance in any case", async () => {
  const provider = await open({});
  assert.deepEqual(provider.resourcesOf("main", "small"), { instances: 1, cores: 1, ram: 256 });
  assert.deepEqual(provider.resourcesOf("main", "unknown"), { instances: 1 });
});

test("a provider that was not started says so", async () => {
  const provider = await open({});
  await assert.rejects(provider.consoleLog("x", AbortSignal.timeout(1000)), /provider here is not started/);
  assert.deepEqual(provider.describe(), { summary: "no engine", problem: "it was not started" });
});

test("a deletion may take as long as a launcher waits for it", async () => {
  const limits: number[] = [];
  const after = (milliseconds: number) => {
    limits.push(milliseconds);
    return () => {};
  };
  const clock = { ...systemClock, after, sleep: async () => {} };
  const provider = await openProvider(localConfig({}), { logger: silentLogger, clock });
  await assert.rejects(provider.deleteInstance("x", AbortSignal.timeout(1000)), /is not started/);
  await assert.rejects(provider.deleteImage("x", AbortSignal.timeout(1000)), /is not started/);
  assert.deepEqual([...new Set(limits)], [600_000]);
});
