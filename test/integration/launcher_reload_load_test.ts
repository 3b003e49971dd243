// Configurations change one after the other while requests come and go: none is lost, none is failed.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger } from "../../lib/std/logger.ts";
import { startEmbeddedServer } from "../../lib/zookeeper/embedded/server.ts";
import { connectSession } from "../../lib/zookeeper/session.ts";
import { FakeProvider } from "../harness/fake_provider.ts";
import { configOf, putImage, type Setting, startTestLauncher, until } from "../harness/launcher.ts";
import { ask, look, release } from "../harness/launcher_case.ts";

const RELOADS = 24;
const CLIENTS = 6;
const PATIENCE_MS = 90_000;

test("a label that moves between pools and providers under load loses no request", async () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-reload-"));
  const server = await startEmbeddedServer({ dataDir: folder, port: 0, logger: silentLogger });
  const { host, port } = server;
  const session = connectSession({
    servers: [{ host, port }],
    sessionTimeoutMs: 30_000,
    logger: silentLogger,
  });
  const [alpha, beta] = [new FakeProvider("alpha"), new FakeProvider("beta")];
  alpha.weather.createMs = 20;
  const pool = (name: string, ...offers: string[]) => ({ name, offers });
  const setting = (minReady: number, ...providers: Setting["providers"]): Setting => ({
    labels: { small: { minReady }, large: {} },
    providers,
  });
  const settings = [
    setting(0, { driver: alpha, pools: [pool("main", "small")] }, { driver: beta, pools: [] }),
    setting(
      2,
      { driver: alpha, pools: [pool("main", "large")] },
      { driver: beta, pools: [pool("main", "small")] },
    ),
    setting(1, { driver: alpha, pools: [pool("other", "small")] }),
    setting(0, { driver: beta, pools: [pool("main", "large", "small")] }),
    setting(
      3,
      { driver: beta, pools: [{ ...pool("main", "small"), maxServers: 0 }] },
      { driver: alpha, pools: [{ ...pool("main", "small"), maxServers: 4 }] },
    ),
  ];
  await session.connected();
  await session.ensurePath("/nodepool");
  await putImage(session, ["alpha", "beta"]);
  const launcher = await startTestLauncher(server, settings[0] as Setting, { cleanupIntervalMs: 1000 });
  let served = 0;
  let isOver = false;
  const client = async () => {
    while (!isOver) {
      const name = await ask(launcher, ["small"], { leaseSeconds: 600 });
      await until(
        `${name} fulfilled`,
        async () => {
          const { request } = await look(launcher, name);
          assert.notEqual(request.state, "STATE_FAILED", request.reason);
          return request.state === "STATE_FULFILLED";
        },
        PATIENCE_MS,
      );
      await release(launcher, name);
      served += 1;
    }
  };
  try {
    const clients = Promise.all(Array.from({ length: CLIENTS }, client));
    const change = async () => {
      for (let count = 1; count <= RELOADS; count += 1) {
        const next = settings[count % settings.length] as Setting;
        const providers = next.providers.map(({ driver }) => driver);
        const generation = count + 1;
        await launcher.service.reconfigure?.({ config: configOf(next), providers, unserved: [], generation });
        const before = served;
        await until(`requests after change ${count}`, () => served >= before + 3, PATIENCE_MS);
      }
      isOver = true;
    };
    await Promise.all([clients, change()]);
    const all = setting(
      0,
      { driver: alpha, pools: [pool("main", "small")] },
      { driver: beta, pools: [pool("main", "large")] },
    );
    const providers = [alpha, beta];
    await launcher.service.reconfigure?.({ config: configOf(all), providers, unserved: [], generation: 99 });
    const rest = () => ({
      nodes: Array.from(
        launcher.view.nodes(),
        ({ id, record }) =>
          `${id} ${record?.state} ${record?.provider}/${record?.pool} ${record?.allocatedTo}`,
      ),
      instances: [...alpha.instances.values(), ...beta.instances.values()].map(({ name }) => name),
      requests: Array.from(launcher.view.requests(), ({ id, record }) => `${id} ${record?.state}`),
    });
    const isClean = () => {
      const { nodes, instances } = rest();
      return nodes.every((node) => node.includes(" ready ")) && instances.length === nodes.length;
    };
    await until("what was used is deleted", isClean, PATIENCE_MS).catch((error: Error) => {
      throw new Error(`${error.message}; there are ${JSON.stringify(rest())}`);
    });
    assert.ok(served >= 3 * RELOADS);
  } finally {
    isOver = true;
    await launcher.stop();
    await session.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
