import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { makeCertificates } from "../../../test/harness/certificates.ts";
import { until } from "../../../test/harness/launcher.ts";
import {
  type Script,
  type ScriptOptions,
  startScriptedOpenStack,
} from "../../../test/harness/scripted_openstack.ts";
import { resolveCloud } from "../../config/clouds/cloud.ts";
import { readCloudFiles } from "../../config/clouds/files.ts";
import { type Clock, systemClock } from "../../std/clock.ts";
import { type Logger, silentLogger } from "../../std/logger.ts";
import { ApiClient } from "./api_client.ts";
import { ApiError } from "./errors.ts";
import { HttpConnections } from "./http.ts";

const cleanups: (() => Promise<void> | void)[] = [];
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

/** A clock whose sleeps end at once and are noted. */
function hasty(): { clock: Clock; sleeps: number[]; advance(milliseconds: number): void } {
  const sleeps: number[] = [];
  let now = 1_000_000;
  const clock: Clock = {
    now: () => now,
    sleep: async (milliseconds, signal) => {
      signal?.throwIfAborted();
      sleeps.push(milliseconds);
      now += milliseconds;
    },
    after: systemClock.after,
  };
  return {
    clock,
    sleeps,
    advance: (milliseconds) => {
      now += milliseconds;
    },
  };
}

async function setUp(script: Script, options: ScriptOptions & { rate?: number; more?: string } = {}) {
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (message) => warnings.push(message) };
  const cloud = await startScriptedOpenStack(script, options);
  const folder = await mkdtemp(join(tmpdir(), "nodepool-clouds-"));
  const path = join(folder, "clouds.yaml");
  await writeFile(path, cloud.cloudsYaml(options.more));
  const env = { OS_CLIENT_CONFIG_FILE: path };
  const resolved = resolveCloud(await readCloudFiles(env), env, "scripted", null);
  const connections = await HttpConnections.open(resolved, {});
  const time = hasty();
  const closing = new AbortController();
  const api = new ApiClient({
    provider: "p",
    cloud: resolved,
    connections,
    rate: options.rate ?? 0,
    clock: time.clock,
    logger,
    closing: closing.signal,
  });
  cleanups.push(async () => {
    connections.close();
    await cloud.close();
    await rm(folder, { recursive: true });
  });
  return { api, cloud, closing, warnings, ...time };
}

const signal = new AbortController().signal;
const servers = { service: "compute", method: "GET", path: "/servers", signal } as const;
const create = { service: "compute", method: "POST", path: "/servers", body: {}, signal } as const;

describe("calls of OpenStack's services", () => {
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

  test("a read that fails for now is repeated with growing pauses, and then told", async () => {
    const { api, cloud, sleeps } = await setUp(() => ({ status: 503, body: "<h1>Service Unavailable</h1>" }));
    await assert.rejects(api.call(servers), /answered 503: Service Unavailable/);
    assert.equal(cloud.calls.length, 4);
    assert.equal(sleeps.length, 3);
    assert.ok((sleeps[2] ?? 0) > (sleeps[0] ?? 0));
  });

  test("a create whose answer is lost or broken is not repeated", async () => {
    for (const answer of [
      { status: 500, body: {} },
      { status: 0, isLost: true },
    ]) {
      const { api, cloud } = await setUp(() => answer);
      const error = await api.call(create).catch((thrown: unknown) => thrown);
      assert.ok(error instanceof ApiError && error.retryable);
      assert.equal(error.status, answer.status === 0 ? null : 500);
      assert.equal(cloud.calls.length, 1);
    }
  });

  test("Retry-After is waited for, whatever the method: the call was not done", async () => {
    let answers = 0;
    const { api, sleeps } = await setUp(() => {
      answers += 1;
      return answers === 1 ? { status: 429, headers: { "retry-after": "7" } } : { status: 202, body: {} };
    });
    await api.call(create);
    assert.deepEqual(sleeps, [7000]);
  });

  test("a cloud that refuses calls for being too many fails none, however often it does", async () => {
    const inSecond = new Map<number, number>();
    let now = () => 0;
    const { api, cloud, clock, warnings } = await setUp(() => {
      const second = Math.floor(now() / 1000);
      inSecond.set(second, (inSecond.get(second) ?? 0) + 1);
      return { status: (inSecond.get(second) ?? 0) > 2 ? 429 : 202, body: {} };
    });
    now = clock.now;
    const replies = await Promise.all(Array.from({ length: 30 }, () => api.call(create)));
    assert.ok(replies.every(({ status }) => status === 202));
    assert.ok(cloud.calls.length > 30);
    assert.ok(warnings.includes("the cloud is called more slowly"));
    assert.match(api.slowness ?? "", /refuses calls that come faster \(429\)/);
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
    const { api, cloud, advance } = await setUp(() => undefined, { tokenLife: 1000, login });
    await api.call(servers);
    isRefusing = true;
    advance(801_000);
    await api.call(servers);
    await until("the refusal", () => cloud.logins.length === 2);
    await api.call(servers);
    advance(59_000);
    for (let calls = 0; calls < 5; calls += 1) await api.call(servers);
    assert.equal(cloud.logins.length, 2);
    advance(2000);
    await api.call(servers);
    await until("the next login", () => cloud.logins.length === 3);
  });

  test("a call that waits for its turn ends with its caller and with the provider", async () => {
    const caller = new AbortController();
    const { api, closing } = await setUp(() => ({ status: 429, headers: { "retry-after": "100" } }));
    const first = api.call({ ...create, signal: caller.signal });
    caller.abort(new Error("no more"));
    await assert.rejects(first, /no more/);
    const second = api.call(create);
    closing.abort(new Error("the provider is stopped"));
    await assert.rejects(second, /the provider is stopped/);
  });

  test("a create is not repeated after a 503 that asks to come again: a proxy says that too", async () => {
    const answer = { status: 503, headers: { "retry-after": "1" }, body: {} };
    const { api, cloud } = await setUp(() => answer);
    await assert.rejects(api.call(create), /answered 503/);
    assert.equal(cloud.calls.length, 1);
    await assert.rejects(api.call(servers), /answered 503/);
    assert.equal(cloud.calls.length, 5);
  });

  test("an answer without its list is an error, and no empty list", async () => {
    for (const body of ["", {}, { servers: null }]) {
      const { api } = await setUp(() => ({ status: 200, body }));
      const error = await api.list("servers", servers).catch((thrown: unknown) => thrown);
      assert.ok(error instanceof ApiError && error.retryable);
      assert.match(error.message, /answered 200: an answer without 'servers'/);
    }
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

  test("a refusal is final and says what the service said", async () => {
    const { api, cloud } = await setUp(() => ({
      status: 400,
      body: { badRequest: { code: 400, message: "Flavor nope could not be found." } },
    }));
    const error = await api.call(servers).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof ApiError && !error.retryable);
    assert.equal(error.reply, "Flavor nope could not be found.");
    assert.equal(cloud.calls.length, 1);
  });

  test("lists are read page by page, by the query of the next page only", async () => {
    const { api, cloud } = await setUp(({ path }) =>
      path.includes("marker=2")
        ? { status: 200, body: { servers: [{ id: "3" }] } }
        : {
            status: 200,
            body: {
              servers: [{ id: "1" }, { id: "2" }],
              servers_links: [
                { rel: "next", href: "http://inside.example.org/v2.1/servers?limit=2&marker=2" },
              ],
            },
          },
    );
    const list = await api.list<{ id: string }>("servers", { service: "compute", path: "/servers", signal });
    assert.deepEqual(
      list.map(({ id }) => id),
      ["1", "2", "3"],
    );
    assert.equal(cloud.calls[1]?.path, "/servers?limit=2&marker=2");
  });

  test("calls keep the distance that rate asks for", async () => {
    const { api, sleeps } = await setUp(() => undefined, { rate: 2 });
    await api.call(servers);
    await api.call(servers);
    assert.deepEqual(sleeps, [2000]);
  });

  test("neither password nor token is in an error", async () => {
    const { api } = await setUp(({ headers, body }) => ({
      status: 400,
      body: { badRequest: { message: `${headers["x-auth-token"]} ${body} hunter2secret` } },
    }));
    const error = await api.call(create).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof ApiError);
    assert.equal(/token-1|hunter2secret/.test(`${error.message} ${error.reply} ${error.stack}`), false);
  });

  test("a server's user data is not told, though Nova repeats it", async () => {
    const data = Buffer.from("#cloud-config secret").toString("base64").repeat(40);
    const message = `Invalid input for field/attribute user_data. Value: ${data}. Too long.`;
    const { api } = await setUp(() => ({ status: 400, body: { badRequest: { message } } }));
    const body = { server: { user_data: data } };
    const error = await api.call({ ...create, body }).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof ApiError);
    assert.equal(error.reply, "Invalid input for field/attribute user_data. Value: ***. Too long.");
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

  test("a service that the catalogue lacks is named, with what there is", async () => {
    const { api } = await setUp(() => undefined, { without: ["network"] });
    await assert.rejects(
      api.call({ ...servers, service: "network", path: "/ports" }),
      /no Neutron \(type 'network', interface public\) in region 'here'; it has: compute \(here, public\)/,
    );
    await api.call(servers);
  });

  test("a call without an answer ends with its signal", async () => {
    const { api } = await setUp(() => new Promise(() => {}));
    const controller = new AbortController();
    const call = api.call({ ...servers, signal: controller.signal });
    setTimeout(() => controller.abort(new Error("the time is up")), 20);
    await assert.rejects(call, /the time is up/);
  });

  test("what goes on when the provider stops ends with it", async () => {
    const { api, closing } = await setUp(() => new Promise(() => {}));
    const call = api.call(servers);
    setTimeout(() => closing.abort(new Error("stopped")), 20);
    await assert.rejects(call, /stopped/);
  });

  test("a private authority is trusted when it is named, and only then", async () => {
    const folder = await mkdtemp(join(tmpdir(), "nodepool-tls-"));
    cleanups.push(() => rm(folder, { recursive: true }));
    const [files] = await makeCertificates(folder, ["localhost"]);
    assert.ok(files);
    const tls = { cert: await readFile(files.cert, "utf8"), key: await readFile(files.key, "utf8") };
    const trusting = await setUp(() => undefined, { tls, more: `    cacert: ${files.ca}` });
    assert.equal((await trusting.api.call(servers)).status, 200);
    const strict = await setUp(() => undefined, { tls });
    await assert.rejects(strict.api.call(servers), /cannot be asked: .*; set cacert to the authority's file/);
    const careless = await setUp(() => undefined, { tls, more: "    verify: false" });
    assert.equal((await careless.api.call(servers)).status, 200);
  });
});
