import assert from "node:assert/strict";
import type { Writable } from "node:stream";
import { describe, test } from "node:test";
import { setUp } from "../../../test/harness/api_client_case.ts";
import type { ScriptedAnswer } from "../../../test/harness/scripted_openstack.ts";
import { ApiError } from "./errors.ts";

const signal = new AbortController().signal;
const servers = { service: "compute", method: "GET", path: "/servers", signal } as const;
const create = { service: "compute", method: "POST", path: "/servers", body: {}, signal } as const;

describe("calls of OpenStack's services", () => {
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

  test("a read is repeated after what may pass, and not after what the service itself says", async () => {
    const callsAfter = async (answer: ScriptedAnswer) => {
      const { api, cloud } = await setUp(() => answer);
      await assert.rejects(api.call(servers));
      return cloud.calls.length;
    };
    for (const status of [408, 500, 502, 503, 504])
      assert.equal(await callsAfter({ status }), 4, `${status}`);
    assert.equal(await callsAfter({ status: 404, isFromProxy: true }), 4);
    for (const status of [403, 404, 409]) assert.equal(await callsAfter({ status }), 1, `${status}`);
  });

  test("what is refused for now may be tried again by whoever has asked", async () => {
    for (const status of [401, 403, 408, 409]) {
      const { api } = await setUp(() => ({ status }));
      const error = await api.call(create).catch((thrown: unknown) => thrown);
      assert.ok(error instanceof ApiError && error.retryable, `${status}`);
    }
  });

  test("a 404 of the service itself sends nobody to the proxy", async () => {
    const { api } = await setUp(() => ({ status: 404, body: { itemNotFound: { message: "no s1" } } }));
    await assert.rejects(api.call(servers), /answered 404: no s1$/);
  });

  test("a question that is a POST is repeated as a read is", async () => {
    const { api, cloud } = await setUp(() => ({ status: 503 }));
    await assert.rejects(api.call({ ...create, isRepeatable: true }), /answered 503/);
    assert.equal(cloud.calls.length, 4);
  });

  test("a stream is sent once, whatever the answer", async () => {
    for (const status of [401, 503]) {
      const { api, cloud } = await setUp(() => ({ status }));
      const stream = { length: 1, send: async (target: Writable) => void target.end("x") };
      const call = { service: "image", method: "PUT", path: "/images/i/file", stream, signal } as const;
      await assert.rejects(api.call(call));
      assert.equal(cloud.calls.length, 1, `${status}`);
    }
  });

  test("a service that is out for a while is asked again when it says, within a minute", async () => {
    for (const [asked, waited] of [
      ["20", 20_000],
      ["3600", 60_000],
    ] as const) {
      const { api, sleeps } = await setUp(() => ({ status: 503, headers: { "retry-after": asked } }));
      await assert.rejects(api.call(servers));
      assert.deepEqual(sleeps, [waited, waited, waited]);
    }
  });

  test("refusals for being too many are no attempts", async () => {
    let answers = 0;
    const { api } = await setUp(() => {
      answers += 1;
      return { status: answers <= 5 ? 429 : answers === 6 ? 503 : 200, body: {} };
    });
    assert.equal((await api.call(servers)).status, 200);
  });

  test("a create takes a connection of its own, a read one that is kept", async () => {
    const { api, cloud } = await setUp(() => ({ status: 200, body: {} }));
    await api.call(create);
    await api.call(servers);
    assert.deepEqual(
      cloud.calls.map(({ headers }) => headers.connection),
      ["close", "keep-alive"],
    );
  });

  test("Glance names the next page in its own way, and an empty page is the last", async () => {
    const { api, cloud } = await setUp(({ path }) => {
      const images = path.includes("marker=1") ? [] : [{ id: "1" }];
      return { status: 200, body: { images, next: "/v2/images?marker=1" } };
    });
    const images = await api.list("images", { service: "image", path: "/images", signal });
    assert.deepEqual([images, cloud.calls.length], [[{ id: "1" }], 2]);
  });
});
