// What the driver asks of a real OpenStack beyond the contract: how it logs in, and what becomes of a label's keys.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { METADATA, type Provider } from "../../lib/provider/contract.ts";
import { generateSshKey } from "../../lib/provider/ssh_keys.ts";
import { CloudUser, type Holdings, NO_CLOUD, writeCloudsYaml } from "./harness/cloud_user.ts";
import { FaultProxy } from "./harness/fault_proxy.ts";
import { openRealProvider, type RealProviderSetting } from "./harness/real_provider.ts";

const LABEL = "name: small, cloud-image: public-image, flavor-name: small";

describe("the driver in a real OpenStack", { skip: NO_CLOUD ?? false }, () => {
  let folder: string;
  let user: CloudUser;
  let heldBefore: Holdings;
  let provider: Provider | null = null;
  const signal = () => AbortSignal.timeout(120_000);
  const open = async (
    setting: Partial<RealProviderSetting> = {},
    keys: Readonly<Record<string, unknown>> = {},
  ) => {
    const clouds = await writeCloudsYaml(folder, "nodepool", keys);
    provider = await openRealProvider({
      clouds,
      name: "real",
      labels: [`{${LABEL}}`],
      provider: "cloud-images: [{name: public-image, config-drive: true}],",
      pool: "networks: [shared],",
      ...setting,
    });
    return provider;
  };
  const launch = (driver: Provider) => {
    const metadata = {
      [METADATA.provider]: "real",
      [METADATA.node]: "0000000001",
      [METADATA.launchToken]: "t",
    };
    const image = { imageExternalId: "public-image", username: null, az: "nova", request: null };
    const spec = { name: "np0000000001", pool: "main", label: "small", ...image, metadata };
    return driver.createInstance(spec, async () => {}, signal());
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nodepool-openstack-servers-"));
    user = await CloudUser.login("nodepool");
    heldBefore = await user.holdings();
  });
  after(() => rm(folder, { recursive: true, force: true }));
  afterEach(async () => {
    for (const { externalId } of (await provider?.listInstances(signal())) ?? []) {
      await provider?.deleteInstance(externalId, signal());
    }
    await provider?.stop();
    provider = null;
    assert.deepEqual(await user.holdings(), heldBefore, "something stays in the cloud");
  });

  test("a create whose answer is lost finds its server, and makes no second one", async () => {
    const proxy = await FaultProxy.start(user);
    try {
      const driver = await open({}, proxy.overrides);
      proxy.next(({ service, method }) => service === "compute" && method === "POST", { kind: "lose" });
      const instance = await launch(driver);
      assert.equal(proxy.calls.get("compute POST"), 1);
      const named = (await user.servers()).filter(({ name }) => name === "np0000000001");
      assert.deepEqual(
        named.map(({ id }) => id),
        [instance.externalId],
      );
      await driver.deleteInstance(instance.externalId, signal());
    } finally {
      await provider?.stop();
      provider = null;
      await proxy.close();
    }
  });

  test("a server without a way in gets a floating address, which goes with it", async () => {
    const labels = [`{${LABEL}}`];
    const driver = await open({ labels, pool: "networks: [shared], auto-floating-ip: true," });
    const instance = await launch(driver);
    assert.match(instance.publicIpv4 ?? "", /^127\.78\./);
    assert.match(instance.privateIpv4 ?? "", /^127\.77\./);
    assert.equal(instance.interfaceIp, instance.publicIpv4);
    assert.equal((await user.holdings()).filter((each) => each.startsWith("floating ip")).length, 1);
    await driver.deleteInstance(instance.externalId, signal());
  });

  test("keys of the label and the pool are Nova's when the server runs, also from a volume", async () => {
    await user.call("compute", "POST", "/os-keypairs", {
      keypair: { name: "ours", public_key: (await generateSshKey("ed25519")).publicKey },
    });
    try {
      const driver = await open({
        labels: [
          `{${LABEL}, key-name: ours, boot-from-volume: true, volume-size: 2, userdata: '#!/bin/sh', instance-properties: {colour: red}}`,
        ],
        pool: "networks: [shared], security-groups: [default], availability-zones: [nova],",
      });
      assert.deepEqual(driver.resourcesOf("main", "small"), {
        instances: 1,
        cores: 1,
        ram: 64,
        volumes: 1,
        "volume-gb": 2,
      });
      const limits = await driver.limits(signal());
      assert.equal(limits.instances, 500);
      assert.ok((limits.volumes ?? 0) > 0 && (limits["volume-gb"] ?? 0) > 0);
      const instance = await launch(driver);
      const [server] = (await user.servers()).filter(({ id }) => id === instance.externalId);
      assert.equal(server?.key_name, "ours");
      assert.equal(server?.config_drive, "True");
      assert.equal(server?.["OS-EXT-AZ:availability_zone"], "nova");
      assert.deepEqual(server?.security_groups, [{ name: "default" }]);
      assert.deepEqual({ ...(server?.metadata ?? {}), colour: "red" }, server?.metadata);
      assert.equal(((server?.["os-extended-volumes:volumes_attached"] ?? []) as unknown[]).length, 1);
      assert.equal(instance.az, "nova");
      assert.equal(typeof (await driver.consoleLog(instance.externalId, signal())), "string");
      await driver.deleteInstance(instance.externalId, signal());
    } finally {
      await user.call("compute", "DELETE", "/os-keypairs/ours");
    }
  });

  test("an application credential and a token log in as a password does", async () => {
    const path = `/users/${user.userId}/application_credentials`;
    const wish = { name: `tests-${performance.now()}`, secret: "of-the-tests" };
    const credential = await user.make("identity", path, "application_credential", wish);
    const authUrl = user.endpoint("identity");
    const ways = [
      {
        auth_type: "v3applicationcredential",
        auth: {
          auth_url: authUrl,
          application_credential_id: credential.id,
          application_credential_secret: wish.secret,
        },
      },
      { auth_type: "v3token", auth: { auth_url: authUrl, token: user.token, project_id: user.projectId } },
    ];
    try {
      for (const way of ways) {
        const driver = await open({}, way);
        assert.deepEqual(await driver.listInstances(signal()), []);
        await driver.stop();
      }
    } finally {
      provider = null;
      await user.call("identity", "DELETE", `${path}/${credential.id}`);
    }
  });
});
