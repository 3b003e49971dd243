// What a node's container goes through beside the contract: failures, restarts of this process, neighbours.
import assert from "node:assert/strict";
import { mkdir, readdir } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import {
  createInstance,
  imageSpec,
  instanceSpec,
  startLocalProvider,
  temporaryDirectory,
} from "../../../test/harness/local_provider.ts";
import { makeRootfs, type Rootfs } from "../../../test/harness/rootfs.ts";
import { connect, runRemote } from "../../../test/harness/ssh_client.ts";
import { systemClock } from "../../std/clock.ts";
import { silentLogger } from "../../std/logger.ts";
import { METADATA, type Provider, ProviderError } from "../contract.ts";
import { ContainerEngine } from "./container/container_engine.ts";
import { freePort } from "./container/free_port.ts";
import { probeContainers } from "./container/probe.ts";
import { askSocket } from "./container/socket.ts";
import { type PodmanService, startPodmanService } from "./podman_service.ts";

const signal = () => AbortSignal.timeout(60_000);
const skip = process.getuid?.() === 0 ? false : "an engine with storage of its own needs root";

describe("a node in a container", { skip }, () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let rootfs: Rootfs;
  let service: PodmanService;
  let provider: Provider;
  let image: string;

  const start = (stateDir = join(directory.path, "state"), options = {}) =>
    startLocalProvider(stateDir, { engine: "container", socket: service.socket }, options);
  const startService = async () => {
    const options = {
      directory: join(directory.path, "podman"),
      env: {},
      logger: silentLogger,
      evenIfSocket: true,
    };
    const started = await startPodmanService(options);
    assert.ok(started !== null, "podman does not start (package podman)");
    return started;
  };

  before(async () => {
    directory = await temporaryDirectory();
    rootfs = await makeRootfs();
    service = await startService();
    provider = await start(undefined, { ownsInstances: true });
    image = await provider.uploadImage(imageSpec(rootfs.path), signal());
  });
  after(async () => {
    for (const { externalId } of await provider.listInstances(signal())) {
      await provider.deleteInstance(externalId, signal());
    }
    await provider.stop();
    await service.stop();
    await rootfs.remove();
    await directory.remove();
  });

  test("says in its attributes what it is", async () => {
    const instance = await createInstance(provider, instanceSpec("0000000001", image));
    assert.match(provider.describe().summary, /^containers \(podman \d[\d.]*, (runc|crun)/);
    assert.equal(provider.describe().problem, null);
    assert.equal(instance.attributes.engine, "container");
    assert.match(instance.attributes.isolation ?? "", /^container \(podman \d.*\): own files, processes/);
    await provider.deleteInstance(instance.externalId, signal());
  });

  test("has the limits of its label", async () => {
    const instance = await createInstance(provider, instanceSpec("0000000002", image));
    const client = await connect(instance, "zuul", rootfs.privateKey);
    const limits = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null";
    assert.equal((await runRemote(client, limits)).stdout.toString().trim(), `${256 * 1024 * 1024}`);
    client.end();
    await provider.deleteInstance(instance.externalId, signal());
  });

  test("that ends at once fails the launch with the last that it wrote, and keeps its log", async () => {
    const bare = await makeRootfs({ sshServer: false });
    const own = await provider.uploadImage(imageSpec(bare.path), signal());
    const spec = instanceSpec("0000000003", own);
    let id = "";
    const onExternalId = async (externalId: string) => {
      id = externalId;
    };
    await assert.rejects(
      provider.createInstance(spec, onExternalId, signal()),
      /the container ended with exit code 127: .*neither \/usr\/local\/bin\/nodepool-node-init nor \/usr\/sbin\/sshd/,
    );
    assert.match((await provider.consoleLog(id, signal())) ?? "", /the image has neither/);
    const listed = (await provider.listInstances(signal())).find(({ externalId }) => externalId === id);
    assert.equal(listed?.state, "stopped");
    assert.match(listed?.fault ?? "", /Exited \(127\)/);
    await provider.deleteInstance(id, signal());
    await provider.deleteImage(own, signal());
    await bare.remove();
    assert.equal(await provider.consoleLog(id, signal()), null);
  });

  test("gives its image's space back when the image was deleted before it", async () => {
    const own = await provider.uploadImage(imageSpec(rootfs.path), signal());
    const instance = await createInstance(provider, instanceSpec("0000000004", own));
    await provider.deleteImage(own, signal());
    await assert.rejects(createInstance(provider, instanceSpec("0000000005", `${own}0`)), ProviderError);
    const images = () => readdir(join(directory.path, "podman/storage/overlay-images"));
    const beforehand = (await images()).length;
    await provider.deleteInstance(instance.externalId, signal());
    assert.equal((await images()).length, beforehand - 1);
  });

  test("gives its image's space back also when the image's deletion was asked for twice", async () => {
    const own = await provider.uploadImage(imageSpec(rootfs.path), signal());
    const instance = await createInstance(provider, instanceSpec("0000000011", own));
    await provider.deleteImage(own, signal());
    await provider.deleteImage(own, signal());
    const images = () => readdir(join(directory.path, "podman/storage/overlay-images"));
    const beforehand = (await images()).length;
    await provider.deleteInstance(instance.externalId, signal());
    assert.equal((await images()).length, beforehand - 1);
  });

  test("keeps metadata with any characters", async () => {
    const odd = 'a "quoted" $HOME \\ ünï = {}';
    const metadata = { [METADATA.image]: odd, [METADATA.launchToken]: odd };
    const own = await provider.uploadImage({ ...imageSpec(rootfs.path), name: odd, metadata }, signal());
    const listedImage = (await provider.listImages(signal())).find(({ externalId }) => externalId === own);
    assert.deepEqual({ ...listedImage }, { externalId: own, name: odd, metadata });
    const instance = await createInstance(provider, { ...instanceSpec("0000000006", own), metadata });
    assert.deepEqual({ ...instance.metadata }, metadata);
    await provider.deleteInstance(instance.externalId, signal());
    await provider.deleteImage(own, signal());
  });

  test("is not touched by another installation with a provider of the same name, for which it is somebody else's", async () => {
    const instance = await createInstance(provider, instanceSpec("0000000007", image));
    const stateDir = join(directory.path, "neighbour");
    await mkdir(stateDir);
    const neighbour = await start(stateDir, { ownsInstances: true });
    assert.deepEqual(await neighbour.listInstances(signal()), []);
    const [foreign, ...more] = (await neighbour.foreignInstances?.(signal())) ?? [];
    assert.equal(foreign?.externalId, instance.externalId);
    assert.match(foreign?.name ?? "", /^np0000000007-/);
    assert.equal(foreign?.connectionPort, null);
    assert.deepEqual(more, []);
    assert.deepEqual(await neighbour.listImages(signal()), []);
    const sameName = await neighbour.uploadImage(imageSpec(rootfs.path), signal());
    const theirs = await createInstance(neighbour, instanceSpec("0000000007", sameName));
    assert.notEqual(theirs.externalId, instance.externalId);
    await neighbour.deleteInstance(theirs.externalId, signal());
    await neighbour.deleteImage(sameName, signal());
    await neighbour.stop();
    assert.equal((await provider.listInstances(signal()))[0]?.state, "running");
    await provider.deleteInstance(instance.externalId, signal());
  });

  test("is stopped with the process that owns it and the same machine when that starts again", async () => {
    const instance = await createInstance(provider, instanceSpec("0000000008", image));
    const first = await connect(instance, "zuul", rootfs.privateKey);
    await runRemote(first, "echo kept > kept");
    first.end();
    await provider.stop();
    await assert.rejects(connect(instance, "zuul", rootfs.privateKey, 1));
    const onlooker = await start();
    assert.equal((await onlooker.listInstances(signal()))[0]?.state, "stopped");
    await onlooker.stop();
    await service.stop();

    service = await startService();
    provider = await start(undefined, { ownsInstances: true });
    const [again] = await provider.listInstances(signal());
    assert.equal(again?.state, "running");
    assert.equal(again?.connectionPort, instance.connectionPort);
    const second = await connect(instance, "zuul", rootfs.privateKey);
    assert.equal((await runRemote(second, "cat kept")).stdout.toString(), "kept\n");
    second.end();
    await provider.deleteInstance(instance.externalId, signal());
  });

  test("goes on without the process that does not own it", async () => {
    const instance = await createInstance(provider, instanceSpec("0000000009", image));
    const onlooker = await start();
    await onlooker.stop();
    const client = await connect(instance, "zuul", rootfs.privateKey, 1);
    client.end();
    await provider.deleteInstance(instance.externalId, signal());
  });

  test("is created by one more attempt when its port is taken in between", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    const socket = await askSocket(service.socket, signal());
    assert.ok(typeof socket !== "string");
    const ports = [port, port, await freePort()];
    const engine = new ContainerEngine({
      socket,
      tweaks: await probeContainers(socket, signal()),
      summary: "containers",
      owner: "of-this-test",
      ownsInstances: false,
      choosePort: async () => ports.shift() ?? 0,
      logger: silentLogger,
      clock: systemClock,
    });
    const ids: string[] = [];
    const spec = { ...instanceSpec("0000000010", image), resources: { instances: 1 } };
    const instance = await engine.createInstance(spec, async (id) => void ids.push(id), signal());
    assert.equal(ids.length, 3);
    assert.equal(instance.externalId, ids[2]);
    assert.deepEqual(
      (await engine.listInstances(signal())).map(({ externalId }) => externalId),
      [instance.externalId],
    );
    await engine.deleteInstance(instance.externalId, signal());
    await new Promise((resolve) => taken.close(resolve));
  });
});
