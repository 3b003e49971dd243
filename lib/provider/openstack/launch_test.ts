import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  accepted,
  create,
  novaWith,
  server,
  setUp,
  signal,
  spec,
} from "../../../test/harness/scripted_provider.ts";
import { METADATA, ProviderError } from "../contract.ts";

describe("launches in OpenStack", () => {
  test("a create whose answer is lost finds its server by name and token, and makes no second one", async () => {
    for (const answer of [
      { status: 500, body: {} },
      { status: 0, isLost: true },
    ]) {
      const { cloud, provider } = await setUp(novaWith(answer).script);
      await provider.start(signal);
      const instance = await create(provider);
      assert.deepEqual(
        [instance.externalId, instance.interfaceIp, instance.cloud],
        ["s1", "10.0.0.5", "scripted"],
      );
      assert.equal(cloud.calls.filter(({ method }) => method === "POST").length, 1);
    }
  });

  test("a create whose answer cannot be read finds its server", async () => {
    for (const body of ['{"server": {"id', { server: {} }, ""]) {
      const { cloud, provider } = await setUp(novaWith({ status: 202, body }).script);
      await provider.start(signal);
      assert.equal((await create(provider)).externalId, "s1");
      assert.equal(cloud.calls.filter(({ method }) => method === "POST").length, 1);
    }
  });

  test("a server that a list lacks while it is being built is waited for", async () => {
    const building = server({ status: "BUILD", addresses: {} });
    const nova = novaWith(accepted, null);
    let lists = 0;
    const { provider } = await setUp((call) => {
      if (call.method === "GET" && call.path === "/servers/s1")
        return { status: 200, body: { server: building } };
      if (!call.path.startsWith("/servers/detail")) return nova.script(call);
      lists += 1;
      const shown = [[], [building], [], [server()]][Math.min(lists - 1, 3)];
      return { status: 200, body: { servers: shown } };
    });
    await provider.start(signal);
    assert.equal((await create(provider)).interfaceIp, "10.0.0.5");
  });

  test("a server that is deleted while a list lacks it has vanished", async () => {
    const building = server({ status: "BUILD", addresses: {} });
    const nova = novaWith(accepted, null);
    let [lists, looks] = [0, 0];
    const { provider } = await setUp((call) => {
      if (call.method === "GET" && call.path === "/servers/s1") {
        looks += 1;
        return looks === 1 ? { status: 200, body: { server: building } } : { status: 404 };
      }
      if (!call.path.startsWith("/servers/detail")) return nova.script(call);
      lists += 1;
      return { status: 200, body: { servers: lists === 2 ? [building] : [] } };
    });
    await provider.start(signal);
    await assert.rejects(create(provider), /server s1 of np0000000001 has vanished/);
  });

  test("a create that was not answered and made nothing fails, to be tried again", async () => {
    const { provider } = await setUp(novaWith({ status: 500, body: {} }, null).script);
    await provider.start(signal);
    await assert.rejects(create(provider), (error) => error instanceof ProviderError && error.retryable);
  });

  test("a server of another launch of the node stands in the way, one of another provider does not", async () => {
    const other = { ...spec().metadata, [METADATA.launchToken]: "t0" };
    const mine = novaWith(accepted);
    mine.list.push(server({ id: "s0", metadata: other }));
    const first = await setUp(mine.script);
    await first.provider.start(signal);
    await assert.rejects(
      create(first.provider),
      /server s0 has the name np0000000001 and is of another launch \(t0\)/,
    );
    const theirs = novaWith(accepted);
    theirs.list.push(server({ id: "s0", metadata: { ...other, [METADATA.provider]: "q" } }));
    const second = await setUp(theirs.script);
    await second.provider.start(signal);
    assert.equal((await create(second.provider)).externalId, "s1");
  });

  test("of two servers of a launch, a repeated create goes on with the one that is recorded", async () => {
    const nova = novaWith(accepted);
    nova.list.push(server({ id: "double" }), server({ id: "recorded" }));
    const { provider } = await setUp(nova.script);
    await provider.start(signal);
    assert.equal((await create(provider, { externalId: "recorded" })).externalId, "recorded");
  });

  test("a recorded server of another name is somebody else's", async () => {
    const nova = novaWith(accepted);
    nova.list.push(server({ id: "others", name: "np-0000000099" }));
    const { provider } = await setUp(nova.script);
    await provider.start(signal);
    assert.equal((await create(provider, { externalId: "others" })).externalId, "s1");
  });

  test("a recorded server whose name Nova cannot tell just then is waited for, and no second one made", async () => {
    const nova = novaWith(accepted);
    let lists = 0;
    const { cloud, provider } = await setUp((call) => {
      if (!call.path.startsWith("/servers/detail")) return nova.script(call);
      lists += 1;
      return { status: 200, body: { servers: [lists < 3 ? { id: "s1", status: "UNKNOWN" } : server()] } };
    });
    await provider.start(signal);
    assert.equal((await create(provider, { externalId: "s1" })).interfaceIp, "10.0.0.5");
    assert.ok(cloud.calls.every(({ method }) => method === "GET"));
  });

  test("eight creates at most are under way at once", async () => {
    const nova = novaWith(accepted, null);
    let [running, most] = [0, 0];
    const released = Promise.withResolvers<void>();
    const answerCreate = async (name: string) => {
      running += 1;
      most = Math.max(most, running);
      if (running === 8) released.resolve();
      await released.promise;
      running -= 1;
      nova.list.push(server({ id: name, name }));
      return { status: 202, body: { server: { id: name } } };
    };
    const { provider } = await setUp((call) =>
      call.method === "POST" ? answerCreate(JSON.parse(call.body).server.name) : nova.script(call),
    );
    await provider.start(signal);
    const names = Array.from({ length: 20 }, (_, index) => `np${index}`);
    const made = await Promise.all(names.map((name) => create(provider, { name })));
    assert.deepEqual(
      made.map(({ externalId }) => externalId),
      names,
    );
    assert.equal(most, 8);
  });

  test("a server whose create was not answered is looked for until it is in the list", async () => {
    const nova = novaWith({ status: 500, body: {} }, null);
    let lists = 0;
    const { provider } = await setUp((call) => {
      if (!call.path.startsWith("/servers/detail")) return nova.script(call);
      lists += 1;
      return { status: 200, body: { servers: lists < 4 ? [] : [server()] } };
    });
    await provider.start(signal);
    assert.equal((await create(provider)).externalId, "s1");
  });

  test("a launch that is asked for twice at once makes one server", async () => {
    const { cloud, provider } = await setUp(novaWith(accepted).script);
    await provider.start(signal);
    const made = await Promise.all([create(provider), create(provider)]);
    assert.deepEqual(
      made.map(({ externalId }) => externalId),
      ["s1", "s1"],
    );
    assert.equal(cloud.calls.filter(({ method }) => method === "POST").length, 1);
  });

  test("a server that is as good as deleted is neither taken nor in the way", async () => {
    for (const token of ["t0", "t1"]) {
      const nova = novaWith(accepted);
      const metadata = { ...spec().metadata, [METADATA.launchToken]: token };
      nova.list.push(server({ id: "s0", status: "SOFT_DELETED", metadata }));
      const { provider } = await setUp(nova.script);
      await provider.start(signal);
      assert.equal((await create(provider, { externalId: "s0" })).externalId, "s1");
    }
  });
});
