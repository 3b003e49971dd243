import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Script } from "../../../test/harness/scripted_openstack.ts";
import {
  accepted,
  create,
  fastClock,
  novaWith,
  server,
  setUp,
  signal,
} from "../../../test/harness/scripted_provider.ts";
import { within } from "../../zookeeper/contract/fixture.ts";
import { NotFoundError, ProviderError, QuotaError } from "../contract.ts";

describe("faults of launches in OpenStack", () => {
  test("a quota is told apart, whether Nova refuses or the server ends by it, and no server stays", async () => {
    const refused = {
      status: 403,
      body: { forbidden: { message: "Quota exceeded for instances: Requested 1" } },
    };
    const first = await setUp(novaWith(refused, null).script);
    await first.provider.start(signal);
    await assert.rejects(create(first.provider), QuotaError);
    for (const message of ["Quota exceeded for resources: ['port']", "Maximum number of ports exceeded"]) {
      const nova = novaWith(accepted, server({ status: "ERROR", fault: { message } }));
      const { provider } = await setUp(nova.script);
      await provider.start(signal);
      await assert.rejects(create(provider), QuotaError);
      assert.deepEqual(nova.list, []);
    }
  });

  test("a quota is told as one although Nova does not delete the server just then", async () => {
    const fault = { message: "Quota exceeded for resources: ['port']" };
    const nova = novaWith(accepted, server({ status: "ERROR", fault }));
    const conflict = { conflictingRequest: { message: "Cannot 'delete' instance s1 in task_state x" } };
    const { provider } = await setUp((call) =>
      call.method === "DELETE" ? { status: 409, body: conflict } : nova.script(call),
    );
    await provider.start(signal);
    await assert.rejects(create(provider), QuotaError);
  });

  test("a quota is told as one although Nova's list keeps the server, by the provider's clock", async () => {
    const fault = { message: "Quota exceeded for resources: ['port']" };
    const nova = novaWith(accepted, server({ status: "ERROR", fault }));
    const fast = fastClock();
    const clock = {
      ...fast,
      after: (milliseconds: number, callback: () => void) => fast.after(milliseconds / 100, callback),
    };
    const script: Script = (call) => (call.method === "DELETE" ? { status: 204 } : nova.script(call));
    const { provider } = await setUp(script, { clock });
    await provider.start(signal);
    await within(20_000, assert.rejects(create(provider), QuotaError), "the error");
  });

  test("other faults of a server are told as Nova tells them", async () => {
    const fault = { message: "No valid host was found. " };
    const { provider } = await setUp(novaWith(accepted, server({ status: "ERROR", fault })).script);
    await provider.start(signal);
    const error = await create(provider).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof ProviderError && !(error instanceof QuotaError));
    assert.match(error.message, /server s1 of np0000000001 is in state ERROR: No valid host was found\.$/);
  });

  test("a fault that the list lacks is asked for", async () => {
    const nova = novaWith(accepted, server({ status: "ERROR" }));
    const fault = { message: "No valid host was found. " };
    const { provider } = await setUp((call) =>
      call.method === "GET" && call.path === "/servers/s1"
        ? { status: 200, body: { server: server({ status: "ERROR", fault }) } }
        : nova.script(call),
    );
    await provider.start(signal);
    await assert.rejects(create(provider), /is in state ERROR: No valid host was found\.$/);
  });

  test("a word that Nova does not know is told with the key to look at", async () => {
    const answers: readonly (readonly [string, RegExp, typeof ProviderError])[] = [
      ["Invalid key_name provided.", /the key key-name of label 'small'/, ProviderError],
      ["The requested availability zone is not available", /the key availability-zones/, ProviderError],
      ["Unable to find security_group with name or id 'x'", /the key security-groups/, ProviderError],
      ["Can not find requested image", /label 'small' needs an image/, NotFoundError],
    ];
    for (const [message, pattern, kind] of answers) {
      const nova = novaWith({ status: 400, body: { badRequest: { message } } }, null);
      const { provider } = await setUp(nova.script, { pool: "availability-zones: [z]," });
      await provider.start(signal);
      const error = await create(provider, { az: "z" }).catch((thrown: unknown) => thrown);
      assert.ok(error instanceof kind && !error.retryable, message);
      assert.match(error.message, pattern);
      assert.match(error.message, /^provider p: Nova: POST \/servers answered 400/);
    }
  });
});
