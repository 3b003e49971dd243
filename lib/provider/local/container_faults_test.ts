// Calls to a real Podman that are answered late, never, or with an error.
import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import { DockerProxy, isCreate, isDelete } from "../../../test/harness/docker_proxy.ts";
import { until } from "../../../test/harness/launcher.ts";
import { leapingClock } from "../../../test/harness/leaping_clock.ts";
import {
  createInstance,
  imageSpec,
  instanceSpec,
  localConfig,
  temporaryDirectory,
} from "../../../test/harness/local_provider.ts";
import { makeRootfs, type Rootfs } from "../../../test/harness/rootfs.ts";
import { silentLogger } from "../../std/logger.ts";
import { type Provider, ProviderError } from "../contract.ts";
import { openProvider } from "../registry.ts";
import { type PodmanService, startPodmanService } from "./podman_service.ts";

const signal = () => AbortSignal.timeout(60_000);
const skip = process.getuid?.() === 0 ? false : "an engine with storage of its own needs root";

/** How engines say that they have a container of a name, or are about to have it. */
const NAME_IN_USE = [
  {
    engine: "Docker",
    node: "0000000005",
    status: 409,
    message: 'Conflict. The container name "/np5" is already in use by container "1f0".',
  },
  {
    engine: "Podman",
    node: "0000000006",
    status: 500,
    message:
      'container create: creating container storage: the container name "np6" is already in use by 1f0.',
  },
];

describe("an engine of containers that does not answer as it should", { skip }, () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let rootfs: Rootfs;
  let service: PodmanService;
  let proxy: DockerProxy;
  let provider: Provider;
  let image: string;
  const clock = leapingClock();

  before(async () => {
    directory = await temporaryDirectory();
    rootfs = await makeRootfs();
    const place = { directory: join(directory.path, "podman"), env: {}, logger: silentLogger };
    const started = await startPodmanService({ ...place, evenIfSocket: true });
    assert.ok(started !== null, "podman does not start (package podman)");
    service = started;
    proxy = await DockerProxy.start(join(directory.path, "proxy.sock"), service.socket);
    const settings = { engine: "container", socket: proxy.socket, "state-dir": directory.path };
    provider = await openProvider(localConfig(settings), { logger: silentLogger, clock });
    await provider.start(signal());
    image = await provider.uploadImage(imageSpec(rootfs.path), signal());
  });
  after(async () => {
    for (const { externalId } of await list()) await provider.deleteInstance(externalId, signal());
    await provider.stop();
    await proxy.close();
    await service.stop();
    await rootfs.remove();
    await directory.remove();
  });

  const list = () => provider.listInstances(signal());

  test("has its create ended by the launch-timeout, and the container is the repeated create's", async () => {
    const spec = instanceSpec("0000000001", image);
    void proxy.next(isCreate, { kind: "keep" });
    const late = assert.rejects(createInstance(provider, spec), (error) => {
      assert.ok(error instanceof ProviderError && error.retryable, `${error}`);
      assert.match(error.message, /createInstance took more than 60 s$/);
      return true;
    });
    const left = await until("the container", async () => (await list())[0]);
    clock.leap(61_000);
    await late;
    proxy.release();
    assert.deepEqual([left.name, left.state], [spec.name, "building"]);
    const instance = await createInstance(provider, spec);
    assert.equal(instance.externalId, left.externalId);
    assert.equal((await list()).length, 1);
    await provider.deleteInstance(instance.externalId, signal());
  });

  test("has a create that never reached it ended by the caller, and there is none", async () => {
    const spec = instanceSpec("0000000002", image);
    const giveUp = new AbortController();
    const kept = proxy.next(isCreate, { kind: "hang" });
    const create = provider.createInstance(spec, async () => {}, giveUp.signal);
    await kept;
    giveUp.abort(new ProviderError("the session has ended"));
    await assert.rejects(create, /the session has ended/);
    proxy.release();
    assert.deepEqual(await list(), []);
  });

  for (const { engine, node, status, message } of NAME_IN_USE) {
    test(`is still at the container of a create that was given up: the next one waits for that (${engine})`, async () => {
      const spec = instanceSpec(node, image);
      const giveUp = new AbortController();
      const first = proxy.next(isCreate, { kind: "delay" });
      const create = provider.createInstance(spec, async () => {}, giveUp.signal);
      await first;
      giveUp.abort(new ProviderError("the session has ended"));
      await assert.rejects(create, /the session has ended/);
      const second = proxy.next(isCreate, { kind: "answer", status, message });
      const again = createInstance(provider, spec);
      await second;
      proxy.release();
      const instance = await again;
      assert.deepEqual(
        (await list()).map(({ externalId }) => externalId),
        [instance.externalId],
      );
      await provider.deleteInstance(instance.externalId, signal());
    });
  }

  test("has a delete ended by the caller, and the container is gone, however often one asks", async () => {
    const instance = await createInstance(provider, instanceSpec("0000000003", image));
    const giveUp = new AbortController();
    const kept = proxy.next(isDelete, { kind: "keep" });
    const removal = provider.deleteInstance(instance.externalId, giveUp.signal);
    await kept;
    giveUp.abort(new ProviderError("the session has ended"));
    await assert.rejects(removal, /the session has ended/);
    await provider.deleteInstance(instance.externalId, signal());
    proxy.release();
    assert.deepEqual(await list(), []);
  });

  test("is asked again where it is out of order for a moment, but for a create", async () => {
    const spec = instanceSpec("0000000004", image);
    void proxy.next(isCreate, { kind: "answer", status: 503, message: "out of order" });
    await assert.rejects(createInstance(provider, spec), (error) => {
      assert.ok(error instanceof ProviderError && error.retryable, `${error}`);
      return /out of order/.test(error.message);
    });
    void proxy.next(() => true, { kind: "answer", status: 500, message: "out of order" });
    assert.deepEqual(await list(), []);
    const instance = await createInstance(provider, spec);
    void proxy.next(isDelete, { kind: "answer", status: 500, message: "out of order" });
    await provider.deleteInstance(instance.externalId, signal());
    assert.deepEqual(await list(), []);
  });
});
