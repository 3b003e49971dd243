import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setUp } from "../../../test/harness/api_client_case.ts";
import { makeCertificates } from "../../../test/harness/certificates.ts";
import { until } from "../../../test/harness/launcher.ts";
import { ApiError } from "./errors.ts";

const signal = new AbortController().signal;
const servers = { service: "compute", method: "GET", path: "/servers", signal } as const;
const create = { service: "compute", method: "POST", path: "/servers", body: {}, signal } as const;

describe("tokens of Keystone", () => {
  test("one token serves many calls and is renewed before it expires", async () => {
    const { api, cloud, advance } = await setUp(() => undefined, { tokenLife: 1000 });
    await Promise.all([api.call(servers), api.call(servers), api.call(servers)]);
    assert.equal(cloud.logins.length, 1);
    advance(799_000);
    await api.call(servers);
    assert.equal(cloud.logins.length, 1);
    advance(2000);
    await until("the renewed token in use", async () => {
      await api.call(servers);
      return cloud.calls.at(-1)?.headers["x-auth-token"] === "token-2";
    });
    assert.equal(cloud.logins.length, 2);
  });

  test("calls go on with a token that holds while Keystone hangs, and wait for it when it has expired", async () => {
    const hanging = Promise.withResolvers<undefined>();
    let isHanging = false;
    const login = () => (isHanging ? hanging.promise : undefined);
    const { api, cloud, advance } = await setUp(() => undefined, { tokenLife: 1000, login });
    await api.call(servers);
    isHanging = true;
    advance(900_000);
    await api.call(servers);
    await api.call(servers);
    advance(101_000);
    const waiting = api.call(servers);
    await until("Keystone is asked", () => cloud.logins.length === 2);
    assert.equal(cloud.calls.length, 3);
    hanging.resolve(undefined);
    await waiting;
    assert.deepEqual(
      cloud.calls.map(({ headers }) => headers["x-auth-token"]),
      ["token-1", "token-1", "token-1", "token-2"],
    );
  });

  test("a token that is refused is replaced and the call made again, a create too", async () => {
    const { api, cloud } = await setUp(({ headers }) =>
      headers["x-auth-token"] === "token-1"
        ? { status: 401, body: { error: { message: "expired" } } }
        : { status: 202, body: { server: { id: "s1" } } },
    );
    assert.equal((await api.call(create)).status, 202);
    assert.deepEqual([cloud.logins.length, cloud.calls.length], [2, 2]);
  });

  test("a call that is refused with every token fails once and for all", async () => {
    const { api, cloud } = await setUp(() => ({ status: 401, body: { error: { message: "no" } } }));
    await assert.rejects(api.call(servers), /provider p: Nova: GET \/servers answered 401: no/);
    assert.equal(cloud.calls.length, 2);
  });

  test("a Keystone that refuses logins for being too many is waited for as the other services are", async () => {
    let logins = 0;
    const login = () => {
      logins += 1;
      return logins <= 5
        ? {
            status: 429,
            headers: { "retry-after": `${6 + logins}` },
            body: { error: { message: "too many" } },
          }
        : undefined;
    };
    const { api, cloud, sleeps, warnings } = await setUp(() => ({ status: 202, body: {} }), { login });
    assert.equal((await api.call(create)).status, 202);
    assert.deepEqual(sleeps.slice(0, 5), [7000, 8000, 9000, 10_000, 11_000]);
    assert.equal(cloud.calls.length, 1);
    assert.ok(warnings.includes("the cloud is called more slowly"));
    const refusing = await setUp(() => undefined, { login: () => ({ status: 429, body: {} }) });
    const call = refusing.api.call(create);
    await until("some refusals", () => refusing.cloud.logins.length > 5);
    refusing.closing.abort(new Error("the provider is stopped"));
    await assert.rejects(call, /the provider is stopped/);
  });

  test("a Keystone that refuses to renew a token which holds is asked again when it says", async () => {
    let isRefusing = false;
    const answer = { status: 429, headers: { "retry-after": "60" }, body: {} };
    const login = () => (isRefusing ? answer : undefined);
    const { api, cloud, advance, warnings } = await setUp(() => undefined, { tokenLife: 1000, login });
    await api.call(servers);
    isRefusing = true;
    advance(801_000);
    await api.call(servers);
    await until("the refusal", () => warnings.length > 0);
    await api.call(servers);
    assert.equal(cloud.logins.length, 2);
    advance(59_000);
    for (let calls = 0; calls < 5; calls += 1) await api.call(servers);
    assert.equal(cloud.logins.length, 2);
    advance(2000);
    await api.call(servers);
    await until("the next login", () => cloud.logins.length === 3);
  });

  test("a token that cannot be renewed is used as long as it holds", async () => {
    let isDown = false;
    const login = () => (isDown ? { status: 503, body: {} } : undefined);
    const { api, cloud, advance, warnings } = await setUp(() => undefined, { tokenLife: 1000, login });
    await api.call(servers);
    isDown = true;
    advance(900_000);
    await api.call(servers);
    await until("the renewal failed", () => warnings.length > 0);
    await api.call(servers);
    assert.equal(cloud.logins.length, 2, "Keystone is not asked at each call");
    advance(20_000);
    await api.call(servers);
    await until("Keystone is asked again", () => cloud.logins.length === 3);
    advance(81_000);
    await assert.rejects(api.call(servers), /no token/);
    assert.equal(warnings.length, 1, "it is told once");
  });

  test("what answers a login with nonsense is named", async () => {
    for (const body of ["null", "<html>", "{}"]) {
      const { api } = await setUp(() => undefined, { login: () => ({ status: 201, body }) });
      await assert.rejects(api.call(servers), /what answers there is no Keystone; check auth_url/);
    }
  });

  test("a wrong password is told with cloud, file and remedy, and without the password", async () => {
    const { api } = await setUp(() => undefined, {
      login: (body) => ({ status: 401, body: { error: { message: `wrong: ${body}` } } }),
    });
    const error = await api.call(servers).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof ApiError);
    assert.match(
      error.message,
      /user 'robot'.*answered 401.*check the user, the password.*cloud 'scripted' of .*clouds\.yaml/,
    );
    assert.equal(error.message.includes("hunter2secret"), false);
  });

  test("a private authority is trusted when it is named, and only then", async () => {
    const folder = await mkdtemp(join(tmpdir(), "nodepool-tls-"));
    try {
      const [files] = await makeCertificates(folder, ["localhost"]);
      assert.ok(files);
      const tls = { cert: await readFile(files.cert, "utf8"), key: await readFile(files.key, "utf8") };
      const trusting = await setUp(() => undefined, { tls, more: `    cacert: ${files.ca}` });
      assert.equal((await trusting.api.call(servers)).status, 200);
      const strict = await setUp(() => undefined, { tls });
      await assert.rejects(
        strict.api.call(servers),
        /cannot be asked: .*; set cacert to the authority's file/,
      );
      const careless = await setUp(() => undefined, { tls, more: "    verify: false" });
      assert.equal((await careless.api.call(servers)).status, 200);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
