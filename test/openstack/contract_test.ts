// The driver and a real OpenStack keep the provider contract: every call goes to the real services, and what goes wrong
// goes wrong on its way there.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { METADATA } from "../../lib/provider/contract.ts";
import { type ProviderUnderTest, testProvider } from "../../lib/provider/contract_suite.ts";
import { CloudUser, NO_CLOUD, writeCloudsYaml } from "./harness/cloud_user.ts";
import { FaultProxy, type PassingCall } from "./harness/fault_proxy.ts";
import { openRealProvider } from "./harness/real_provider.ts";

const isCreate = ({ service, method, path }: PassingCall) =>
  service === "compute" && method === "POST" && path === "/servers";
const isDelete = ({ service, method }: PassingCall) => service === "compute" && method === "DELETE";

async function open(): Promise<ProviderUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), "nodepool-real-openstack-"));
  const user = await CloudUser.login("nodepool");
  const admin = await CloudUser.login("devstack-like");
  const proxy = await FaultProxy.start(user);
  const clouds = await writeCloudsYaml(folder, "nodepool", { ...proxy.overrides, image_format: "raw" });
  const provider = await openRealProvider({ clouds, name: "contract" });
  const path = join(folder, "image.raw");
  await writeFile(path, randomBytes(300_000));
  const before = await user.holdings();
  const setQuota = (instances: number) =>
    admin.call("compute", "PUT", `/os-quota-sets/${user.projectId}`, { quota_set: { instances } });
  const foreignServer = async (metadata: Readonly<Record<string, string>>) => {
    const [flavor] = await user.list("compute", "/flavors", "flavors");
    const [image] = await user.list("image", "/images?name=public-image", "images");
    const wish = { name: "somebody's", flavorRef: flavor?.id, imageRef: image?.id, metadata };
    return (await user.make("compute", "/servers", "server", wish)).id;
  };
  return {
    provider,
    image: { path, format: "raw", mark: "" },
    username: "root",
    privateKey: "",
    faults: {
      loseDeleteReply: () => proxy.next(isDelete, { kind: "lose" }),
      refuseNextCall: () =>
        proxy.next(() => true, { kind: "answer", status: 429, body: { overLimit: { message: "too many" } } }),
      failNextBoot: () =>
        proxy.next(isCreate, {
          kind: "change",
          change: ({ server }: { server: { metadata: object } }) => ({
            server: { ...server, metadata: { ...server.metadata, "osit-fail": "abort" } },
          }),
        }),
      exhaustQuota: async () => {
        await setQuota((await user.servers()).length);
        return async () => {
          await setQuota(500);
        };
      },
      hang: () => proxy.hang(),
      addForeignInstance: foreignServer,
      addForeignImage: async (metadata) => {
        // Glance has an owner of its own.
        const { owner, ...properties } = metadata;
        const format = { disk_format: "raw", container_format: "bare" };
        const wish = { name: "somebody's", ...format, ...properties, ...(owner ? { whose: owner } : {}) };
        return ((await user.call("image", "POST", "/images", wish)) as { id: string }).id;
      },
      addLeftover: async (metadata) => {
        const [network] = await user.list("network", "/networks?router:external=true", "networks");
        const words = {
          provider: metadata[METADATA.provider],
          node: metadata[METADATA.node],
          server: "gone",
        };
        const wish = { floating_network_id: network?.id, description: `nodepool ${JSON.stringify(words)}` };
        const { id, floating_ip_address } = await user.make("network", "/floatingips", "floatingip", wish);
        const node = metadata[METADATA.node] ?? null;
        return { kind: "floating ip", externalId: id, name: `${floating_ip_address}`, node, metadata };
      },
    },
    close: async () => {
      await provider.stop();
      await proxy.close();
      await rm(folder, { recursive: true });
      assert.deepEqual(await user.holdings(), before, "something stays in the cloud");
    },
  };
}

testProvider("a real OpenStack", open, NO_CLOUD, {
  login: false,
  faults: [
    "loseDeleteReply",
    "refuseNextCall",
    "failNextBoot",
    "exhaustQuota",
    "hang",
    "addForeignInstance",
    "addForeignImage",
    "addLeftover",
  ],
});
