import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../../../test/harness/launcher.ts";
import { create, server, setUp, signal } from "../../../test/harness/scripted_provider.ts";
import { ProviderError } from "../contract.ts";

describe("starting an OpenStack provider", () => {
  test("a missing Cinder matters only where a label boots from a volume", async () => {
    const without = { without: ["volumev3"] };
    const { provider } = await setUp(() => undefined, without);
    await provider.start(signal);
    const label = "diskimage: img, min-ram: 64, boot-from-volume: true";
    const needing = await setUp(() => undefined, { ...without, label });
    await assert.rejects(
      needing.provider.start(signal),
      /^ProviderError: provider p: .*no Cinder.*volume_endpoint_override/,
    );
  });

  test("a missing Glance is told at the start, and not at the first upload", async () => {
    const { provider } = await setUp(() => undefined, { without: ["image"] });
    await assert.rejects(provider.start(signal), /provider p: .*no Glance/);
  });

  test("what cannot be started says why, with the provider's name", async () => {
    const { provider } = await setUp(() => undefined, {
      login: () => ({ status: 401, body: { error: { message: "no" } } }),
    });
    await assert.rejects(provider.start(signal), /provider p: no token for user 'robot'.*answered 401/);
    assert.equal(provider.describe().problem, "it was not started");
    await assert.rejects(provider.listInstances(signal), /provider p was not started/);
  });

  test("a server of which Nova can tell only the id is listed, and counts as running", async () => {
    const { provider } = await setUp(({ path }) =>
      path.startsWith("/servers/detail")
        ? { status: 200, body: { servers: [{ id: "s1", status: "UNKNOWN", tenant_id: "project-1" }] } }
        : undefined,
    );
    await provider.start(signal);
    assert.deepEqual(await provider.listInstances(signal), []);
    const [listed] = (await provider.foreignInstances?.(signal)) ?? [];
    assert.deepEqual([listed?.externalId, listed?.state], ["s1", "running"]);
  });

  for (const { status, retryable } of [
    { status: 403, retryable: false },
    { status: 409, retryable: true },
    { status: 501, retryable: false },
    { status: 503, retryable: true },
  ]) {
    test(`a console log that is refused with ${status} is ${retryable ? "" : "not "}worth another try`, async () => {
      const { provider } = await setUp(({ path }) =>
        path.endsWith("/action") ? { status, body: { error: { message: "no" } } } : undefined,
      );
      await provider.start(signal);
      await assert.rejects(provider.consoleLog("s1", signal), (error: unknown) => {
        assert.ok(error instanceof ProviderError);
        assert.match(error.message, new RegExp(`answered ${status}: no`));
        assert.equal(error.retryable, retryable);
        return true;
      });
    });
  }

  test("a server is either one of ours or a foreign one", async () => {
    const servers = [server({ id: "ours" }), server({ id: "theirs", metadata: {} })];
    const { provider } = await setUp(({ path }) =>
      path.startsWith("/servers/detail") ? { status: 200, body: { servers } } : undefined,
    );
    await provider.start(signal);
    const ids = (list: readonly { externalId: string }[] = []) => list.map(({ externalId }) => externalId);
    assert.deepEqual(ids(await provider.listInstances(signal)), ["ours"]);
    assert.deepEqual(ids(await provider.foreignInstances?.(signal)), ["theirs"]);
  });

  test("whether this machine has IPv6 is asked anew for each list, once for all of its servers", async () => {
    let asked = 0;
    const both = ["s1", "s2"].map((id) =>
      server({ id, accessIPv4: "203.0.113.9", accessIPv6: "2001:db8::5" }),
    );
    const { provider } = await setUp(
      ({ path }) =>
        path.startsWith("/servers/detail") ? { status: 200, body: { servers: both } } : undefined,
      {
        hasIpv6: () => {
          asked += 1;
          return asked > 1;
        },
      },
    );
    await provider.start(signal);
    const addresses = async () =>
      (await provider.listInstances(signal)).map(({ interfaceIp }) => interfaceIp);
    assert.deepEqual(await addresses(), ["203.0.113.9", "203.0.113.9"]);
    assert.deepEqual(await addresses(), ["2001:db8::5", "2001:db8::5"]);
    assert.equal(asked, 2);
  });

  test("an image that somebody has made of a node is not among our uploads", async () => {
    const ours = { nodepool_provider_name: "p", nodepool_build_id: "b", nodepool_upload_id: "1" };
    const sent = { ...ours, "owner_specified.openstack.md5": "a" };
    const images = [
      { id: "upload", name: "img-1", ...sent, checksum: "a" },
      { id: "under way", name: "img-1", ...sent, checksum: null },
      { id: "without a checksum", name: "img-1", ...ours, checksum: "a" },
      { id: "of a cloned volume", name: "kept", ...sent, checksum: "b" },
      { id: "snapshot", name: "kept", ...ours, image_type: "snapshot", base_image_ref: "upload" },
      { id: "of a volume", name: "kept too", ...ours, signature_verified: "False" },
      { id: "another's", name: "img-2", ...ours, nodepool_provider_name: "q" },
    ];
    const { cloud, provider } = await setUp(({ path }) =>
      path.startsWith("/images") ? { status: 200, body: { images } } : undefined,
    );
    await provider.start(signal);
    const ids = (await provider.listImages(signal)).map(({ externalId }) => externalId);
    assert.deepEqual(ids, ["upload", "under way", "without a checksum"]);
    const asked = cloud.calls.filter(({ service }) => service === "image").map(({ path }) => path);
    assert.equal(asked.at(-1), "/images?limit=200&nodepool_provider_name=p&owner=project-1");
  });

  test("a problem that the cloud's owner mends goes away, and the daemon hears of both", async () => {
    let networks: { id: string; name: string }[] = [];
    let heard = 0;
    const hear = () => {
      heard += 1;
    };
    const { provider } = await setUp(
      ({ path }) => (path.startsWith("/networks") ? { status: 200, body: { networks } } : undefined),
      { pool: "networks: [inside],", onProblem: hear },
    );
    await provider.start(signal);
    assert.match(provider.describe().problem ?? "", /no network 'inside'/);
    assert.equal(heard, 1);
    await assert.rejects(create(provider), /no network 'inside'/);
    networks = [{ id: "n1", name: "inside" }];
    await until("the problem is gone", async () => {
      await provider.limits(signal);
      return provider.describe().problem === null;
    });
    assert.equal(heard, 2);
  });
});
