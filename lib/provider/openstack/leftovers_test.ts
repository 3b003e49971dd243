import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Script } from "../../../test/harness/scripted_openstack.ts";
import { fastClock, server, setUp, signal } from "../../../test/harness/scripted_provider.ts";
import { METADATA } from "../contract.ts";

describe("what stays behind in OpenStack", () => {
  const list = (key: string, items: readonly unknown[]) => ({ status: 200, body: { [key]: items } });

  test("a port of no server that is DOWN for port-cleanup-interval is one; others are not", async () => {
    const port = (id: string, changes: object = {}) => ({
      id,
      status: "DOWN",
      device_id: "gone",
      device_owner: "compute:nova",
      ...changes,
    });
    const ports = [
      port("stray"),
      port("booting", { device_id: "s1" }),
      port("router", { device_owner: "network:router" }),
    ];
    let now = 1_000_000;
    const { cloud, provider } = await setUp(
      ({ path }) => {
        if (path.startsWith("/ports?")) return list("ports", ports);
        return path.startsWith("/servers/detail") ? list("servers", [server()]) : undefined;
      },
      { provider: "port-cleanup-interval: 20,", clock: { ...fastClock(), now: () => now } },
    );
    await provider.start(signal);
    assert.deepEqual(await provider.listLeftovers?.(signal), []);
    now += 19_000;
    assert.deepEqual(await provider.listLeftovers?.(signal), []);
    now += 2000;
    const found = (await provider.listLeftovers?.(signal)) ?? [];
    assert.deepEqual(
      found.map(({ kind, externalId }) => `${kind} ${externalId}`),
      ["port stray"],
    );
    for (const leftover of found) await provider.deleteLeftover?.(leftover, signal);
    assert.equal(cloud.calls.at(-1)?.path, "/ports/stray");
    assert.equal(
      cloud.calls.find(({ path }) => path.startsWith("/ports?"))?.path,
      "/ports?status=DOWN&project_id=project-1",
    );
  });

  test("an unattached floating address of ours is one, and anybody's with clean-floating-ips", async () => {
    const ours = `nodepool ${JSON.stringify({ provider: "p", node: "0000000007", server: "s" })}`;
    const others = `nodepool ${JSON.stringify({ provider: "q", node: "0000000007", server: "s" })}`;
    const floatingips = [
      { id: "ours", floating_ip_address: "192.0.2.1", port_id: null, description: ours },
      { id: "used", floating_ip_address: "192.0.2.2", port_id: "port", description: ours },
      { id: "nobody", floating_ip_address: "192.0.2.3", port_id: null, description: "" },
      { id: "other", floating_ip_address: "192.0.2.4", port_id: null, description: others },
    ];
    const script: Script = ({ path }) =>
      path.startsWith("/floatingips") ? list("floatingips", floatingips) : undefined;
    const careful = await setUp(script);
    await careful.provider.start(signal);
    const found = (await careful.provider.listLeftovers?.(signal)) ?? [];
    assert.deepEqual(
      found.map(({ externalId, node }) => [externalId, node]),
      [["ours", "0000000007"]],
    );
    for (const leftover of found) await careful.provider.deleteLeftover?.(leftover, signal);
    const [asked, deleted] = careful.cloud.calls.filter(({ path }) => path.startsWith("/floatingips"));
    assert.equal(asked?.path, "/floatingips?project_id=project-1", "an administrator sees those of all");
    assert.equal(`${deleted?.method} ${deleted?.path}`, "DELETE /floatingips/ours");
    const thorough = await setUp(script, { provider: "clean-floating-ips: true," });
    await thorough.provider.start(signal);
    const all = (await thorough.provider.listLeftovers?.(signal)) ?? [];
    assert.deepEqual(
      all.map(({ externalId }) => externalId),
      ["ours", "nobody"],
    );
  });

  test("a volume that Nova made of an image of ours and nothing uses is one", async () => {
    const volume = (id: string, changes: object = {}) => ({
      id,
      name: "",
      description: "",
      status: "available",
      attachments: [],
      volume_image_metadata: { [METADATA.provider]: "p" },
      ...changes,
    });
    const volumes = [
      volume("stray"),
      volume("used", { status: "in-use", attachments: [{}] }),
      volume("named", { name: "somebody's" }),
      volume("described", { description: "keep" }),
      volume("attached", { attachments: [{}] }),
      volume("being made", { status: "creating" }),
      volume("broken", { status: "error" }),
      volume("foreign", { volume_image_metadata: {} }),
    ];
    const { cloud, provider } = await setUp(
      ({ path }) => (path.startsWith("/volumes/detail") ? list("volumes", volumes) : undefined),
      { label: "diskimage: img, min-ram: 64, boot-from-volume: true" },
    );
    await provider.start(signal);
    const found = (await provider.listLeftovers?.(signal)) ?? [];
    assert.deepEqual(
      found.map(({ kind, externalId }) => `${kind} ${externalId}`),
      ["volume stray", "volume broken"],
    );
    for (const leftover of found) await provider.deleteLeftover?.(leftover, signal);
    assert.deepEqual(
      cloud.calls.slice(-2).map(({ method, path }) => `${method} ${path}`),
      ["DELETE /volumes/stray", "DELETE /volumes/broken"],
    );
  });
});
