// The whole way in a real OpenStack: an image by diskimage-builder goes to Glance, servers boot from it and are reached,
// Zuul uses them, operators hold and delete them, and at the end nothing is left on either side.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { silentLogger } from "../../lib/std/logger.ts";
import { connectSession, type ZooKeeperSession } from "../../lib/zookeeper/session.ts";
import { openView } from "../../lib/zookeeper/tree_view.ts";
import type { View } from "../../lib/zookeeper/view.ts";
import { until } from "../harness/launcher.ts";
import { freePort } from "../harness/ports.ts";
import { PROJECT, type Program, runCommand, runProgram, startProgram } from "../harness/program.ts";
import { startZooKeeper, type ZooKeeperServer } from "../harness/zookeeper.ts";
import { CloudUser, type Holdings, NO_CLOUD, writeCloudsYaml } from "./harness/cloud_user.ts";
import { openReachableNetwork, type ReachableNetwork } from "./harness/reachable_network.ts";

const PATIENCE = 240_000;

/** Tells what Python's client sees of servers and of the project's own images. */
const SEEN_BY_PYTHON = `
import json, openstack
cloud = openstack.connect(cloud='real')
servers = [dict(name=s.name, metadata=s.metadata) for s in cloud.compute.servers()]
images = [dict(name=i.name, status=i.status, properties=i.properties)
          for i in cloud.image.images(owner=cloud.current_project_id)]
print(json.dumps(dict(servers=servers, images=images)))
`;

/** What {@link SEEN_BY_PYTHON} prints. */
interface SeenByPython {
  readonly servers: readonly { readonly name: string; readonly metadata: Record<string, string> }[];
  readonly images: readonly {
    readonly name: string;
    readonly status: string;
    readonly properties: Readonly<Record<string, unknown>>;
  }[];
}

describe("a life in a real OpenStack", { skip: NO_CLOUD ?? false }, () => {
  let folder: string;
  let user: CloudUser;
  let heldBefore: Holdings;
  let network: ReachableNetwork;
  let zookeeper: ZooKeeperServer;
  let session: ZooKeeperSession;
  let view: View;
  let builder: Program;
  let launcher: Program;
  let env: Record<string, string>;

  const config = (minReady: number) =>
    JSON.stringify({
      "zookeeper-servers": [{ host: zookeeper.host, port: zookeeper.port }],
      "zookeeper-timeout": 10,
      "elements-dir": join(PROJECT, "examples/elements"),
      "images-dir": join(folder, "images"),
      "build-log-dir": join(folder, "logs"),
      labels: [{ name: "tiny", "min-ready": minReady }],
      diskimages: [
        {
          name: "tiny",
          "dib-cmd": "disk-image-create -n",
          elements: ["nodepool-tiny"],
          "env-vars": { DIB_JOURNAL_SIZE: "4" },
          username: "zuul-worker",
        },
      ],
      providers: [
        {
          name: "real",
          driver: "openstack",
          cloud: "real",
          rate: 0.01,
          "boot-timeout": 120,
          "launch-timeout": 180,
          diskimages: [{ name: "tiny", "connection-port": network.port, meta: { colour: "red" } }],
          pools: [
            {
              name: "main",
              "max-servers": 4,
              networks: [network.name],
              "auto-floating-ip": false,
              labels: [
                { name: "tiny", diskimage: "tiny", "min-ram": 64, "instance-properties": { owner: "tests" } },
              ],
            },
          ],
        },
      ],
    });
  const cli = async (...args: string[]) => {
    const { code, stdout, stderr } = await runProgram("services/cli/main.ts", args, env);
    assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  const wait = <T>(what: string, check: () => T | undefined | false | Promise<T | undefined | false>) =>
    until(what, check, PATIENCE).catch((error: Error) => {
      throw new Error(`${error.message}\n${builder.output()}\n${launcher.output()}`);
    });
  const ready = (not = "") =>
    wait("a ready node", () =>
      [...view.nodes()].find(
        ({ id, record, lock }) => record?.state === "ready" && lock.contenders.length === 0 && id !== not,
      ),
    );

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "nodepool-openstack-life-"));
    user = await CloudUser.login("nodepool");
    heldBefore = await user.holdings();
    network = await openReachableNetwork(user, folder);
    zookeeper = await startZooKeeper();
    const options = { servers: [zookeeper], chroot: "", sessionTimeoutMs: 6000, logger: silentLogger };
    session = connectSession(options);
    await session.connected();
    await session.ensurePath("/nodepool");
    view = openView(session, silentLogger);
    const file = join(folder, "nodepool.yaml");
    await writeFile(file, config(1));
    const address = async () => `127.0.0.1:${await freePort()}`;
    env = {
      OS_CLIENT_CONFIG_FILE: await writeCloudsYaml(folder, "nodepool"),
      NODEPOOL_LAUNCHER_ADDRESS: await address(),
      NODEPOOL_BUILDER_ADDRESS: await address(),
    };
    const daemon = (name: string, listen = "") =>
      startProgram(`services/${name}/main.ts`, ["-c", file, "--listen", listen], env);
    builder = daemon("builder", env.NODEPOOL_BUILDER_ADDRESS);
    launcher = daemon("launcher", env.NODEPOOL_LAUNCHER_ADDRESS);
  });

  after(async () => {
    await Promise.all([builder, launcher].map((program) => program?.stop().catch(() => null)));
    await view?.close();
    await session?.close();
    await zookeeper?.close();
    await network?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test("an image that was built and uploaded becomes a min-ready node whose host keys are known", async () => {
    const { record } = await ready();
    assert.deepEqual(record?.hostKeys, [network.hostKey]);
    assert.match(record?.interfaceIp ?? "", /^127\.77\.16\./);
    assert.equal(record?.connectionPort, network.port);
    assert.equal(record?.username, "zuul-worker");
    const [server] = (await user.servers()).filter(({ id }) => id === record?.externalId);
    assert.equal(server?.status, "ACTIVE");
  });

  test("Python's openstack client sees the metadata that Nodepool sets", async () => {
    const { id } = await ready();
    const { code, stdout, stderr } = await runCommand(
      "/usr/bin/python3",
      ["-W", "ignore", "-c", SEEN_BY_PYTHON],
      { env },
    );
    assert.equal(code, 0, stderr);
    const seen = JSON.parse(stdout) as SeenByPython;
    const [build] = view.image("tiny")?.builds ?? [];
    const [upload] = build?.uploads ?? [];
    const origin = {
      nodepool_provider_name: "real",
      nodepool_image_name: "tiny",
      nodepool_build_id: upload?.build,
      nodepool_upload_id: upload?.upload,
    };
    const server = seen.servers.find(({ name }) => name === `np${id}`);
    const { nodepool_launch_token: token, ...metadata } = server?.metadata ?? {};
    assert.ok(token, stdout);
    assert.deepEqual(metadata, {
      ...origin,
      nodepool_pool_name: "main",
      nodepool_node_id: id,
      groups: "real,tiny,tiny",
      owner: "tests",
    });
    const image = seen.images.find(({ name }) => name === upload?.record?.externalName);
    assert.equal(image?.status, "active", stdout);
    const wanted = { ...origin, colour: "red" };
    const properties = Object.keys(wanted).map((key) => [key, image?.properties[key]]);
    assert.deepEqual(Object.fromEntries(properties), wanted);
  });

  test("Zuul gets the node and gives it back, and another takes its place", async () => {
    const { id } = await ready();
    const client = `${PROJECT}/test/harness/zuul_client.py`;
    const args = [client, zookeeper.connectString, "cycle", "tiny"];
    const { code, stdout, stderr } = await runCommand("/usr/bin/python3", args);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /tiny/);
    await ready(id);
    await wait("the used server is gone", async () => {
      return (await user.servers()).every(({ name }) => name !== `np${id}`);
    });
  });

  test("a held node keeps its server until it is let go, and then nothing is left of anything", async () => {
    const { id } = await ready();
    await cli("hold", id, "--reason", "to look at");
    await wait("the node is held", () => view.node(id)?.record?.state === "hold");
    const { id: other } = await ready(id);
    assert.ok((await user.servers()).some(({ name }) => name === `np${id}`));
    await writeFile(join(folder, "nodepool.yaml"), config(0));
    await cli("config-reload");
    await cli("unhold", id);
    await cli("delete", other, "--now");
    await cli("image-pause", "tiny");
    const [build] = view.image("tiny")?.builds ?? [];
    await cli("dib-image-delete", `tiny-${build?.build}`);
    await wait("no nodes and no uploads", () => {
      const uploads = view.image("tiny")?.builds.flatMap((each) => each.uploads) ?? [];
      return [...view.nodes()].length === 0 && uploads.length === 0;
    });
    assert.deepEqual(await user.holdings(), heldBefore);
  });
});
