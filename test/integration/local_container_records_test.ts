// A launcher with nodes in containers of a real Podman, where ZooKeeper and the engine do not say the same any more.
import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { decodeUpload, encodeUpload } from "../../lib/model/image.ts";
import { buildsPath, nodePath, uploadPath } from "../../lib/model/paths.ts";
import type { Provider } from "../../lib/provider/contract.ts";
import { DockerApi } from "../../lib/provider/local/container/docker_api.ts";
import { type PodmanService, startPodmanService } from "../../lib/provider/local/podman_service.ts";
import { silentLogger } from "../../lib/std/logger.ts";
import type { Session } from "../../lib/zookeeper/types.ts";
import { type TestLauncher, until } from "../harness/launcher.ts";
import { LauncherCase, untilStates } from "../harness/launcher_case.ts";
import { imageSpec, startLocalProvider, temporaryDirectory } from "../harness/local_provider.ts";
import { makeRootfs, type Rootfs } from "../harness/rootfs.ts";
import { startZooKeeper, type ZooKeeperServer } from "../harness/zookeeper.ts";

const signal = () => AbortSignal.timeout(60_000);
const skip = process.getuid?.() === 0 ? false : "an engine with storage of its own needs root";

describe("a launcher whose nodes are containers", { skip }, () => {
  let server: ZooKeeperServer;
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let rootfs: Rootfs;
  let service: PodmanService;
  let api: DockerApi;
  let provider: Provider;
  let one: LauncherCase;
  let launcher: TestLauncher;

  before(async () => {
    server = await startZooKeeper();
    directory = await temporaryDirectory();
    rootfs = await makeRootfs();
    const place = { directory: join(directory.path, "podman"), env: {}, logger: silentLogger };
    const started = await startPodmanService({ ...place, evenIfSocket: true });
    assert.ok(started !== null, "podman does not start (package podman)");
    service = started;
    api = new DockerApi(service.socket);
    const settings = { engine: "container", socket: service.socket };
    provider = await startLocalProvider(join(directory.path, "state"), settings);
    const image = await provider.uploadImage(imageSpec(rootfs.path), signal());
    one = await LauncherCase.begin(server, provider.name);
    await noteUpload(await one.session(), provider.name, image);
    const pools = [{ name: "main", offers: ["small"] }];
    const config = { driver: provider.driver, bootTimeout: 60, launchTimeout: 60 };
    const setting = {
      labels: { small: { minReady: 1 } },
      providers: [{ driver: provider, pools, config }],
    };
    launcher = await one.launcher(setting, { cleanupIntervalMs: 200 });
  });
  after(async () => {
    await one.end();
    for (const { Id } of await containers()) await api.docker.getContainer(Id).remove({ force: true });
    await provider.stop();
    await service.stop();
    await rootfs.remove();
    await directory.remove();
    await server.close();
  });

  /** Of the whole engine, whoever has made them. */
  const containers = () => api.call(signal(), (docker) => docker.listContainers({ all: true }));
  const isThere = async (id: string) => (await containers()).some(({ Id }) => Id === id);
  /** The ready node and its container, which runs. */
  const readyNode = async () => {
    await untilStates(launcher, "ready");
    const [node] = [...launcher.view.nodes()];
    const container = String(node?.record?.externalId);
    assert.ok(await isThere(container));
    return { id: node?.id ?? "", container };
  };

  it("removes the container of a node whose record is gone, and nobody else's", async () => {
    const { id, container } = await readyNode();
    const [image] = await provider.listImages(signal());
    const theirs = { Image: image?.externalId ?? "", Cmd: ["/bin/sh"], Labels: { owner: "somebody" } };
    const stranger = await api.call(signal(), (docker) => docker.createContainer(theirs));
    await launcher.session.deleteRecursive(nodePath(id));
    await until("the container is gone", async () => !(await isThere(container)));
    const next = await readyNode();
    assert.notEqual(next.container, container);
    const left = (await containers()).map(({ Id }) => Id);
    assert.deepEqual(left.sort(), [next.container, stranger.id].sort());
  });

  it("replaces a node whose container somebody has removed", async () => {
    const { id, container } = await readyNode();
    await api.call(signal(), (docker) => docker.getContainer(container).remove({ force: true }));
    await until("its record is gone", () => launcher.view.node(id) === undefined);
    assert.notEqual((await readyNode()).id, id);
  });
});

/** Lets the upload that is ready at a provider be the image that it has. */
async function noteUpload(session: Session, provider: string, externalId: string): Promise<void> {
  const [build = ""] = await session.children(buildsPath("image"));
  const path = uploadPath("image", build, provider, "0000000001");
  const { data, stat } = await session.get(path);
  await session.set(path, encodeUpload({ ...decodeUpload(data), externalId }), stat.version);
}
