import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { instanceSpec } from "../../../../test/harness/local_provider.ts";
import { systemClock } from "../../../std/clock.ts";
import { silentLogger } from "../../../std/logger.ts";
import { NotFoundError, ProviderError } from "../../contract.ts";
import { ContainerEngine } from "./container_engine.ts";
import { DockerApi } from "./docker_api.ts";

/** An engine of which somebody removes each container as soon as it is made. */
async function pruned(use: (engine: ContainerEngine) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-engine-"));
  const server = createServer((request, response) => {
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (request.url?.includes("/containers/create")) answer(201, { Id: "0123456789abcdef" });
    else if (request.url?.includes("/containers/json")) answer(200, []);
    else answer(404, { message: "No such container" });
  });
  const path = join(folder, "socket");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const engine = new ContainerEngine({
    socket: { api: new DockerApi(path), engine: "test", architecture: "amd64" },
    tweaks: { noInit: false, ulimits: false, runc: false, noLimits: false },
    summary: "containers",
    owner: "of-this-test",
    ownsInstances: false,
    choosePort: async () => 1,
    logger: silentLogger,
    clock: systemClock,
  });
  try {
    await use(engine);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  }
}

test("a container that somebody removes during its launch is worth another attempt: its image is there", async () => {
  await pruned(async (engine) => {
    const spec = { ...instanceSpec("0000000001", "sha256:1"), resources: { instances: 1 } };
    const launch = engine.createInstance(spec, async () => {}, new AbortController().signal);
    await assert.rejects(launch, (error) => {
      assert.ok(error instanceof ProviderError && !(error instanceof NotFoundError), `${error}`);
      assert.match(error.message, /^container 0123456789ab has vanished$/);
      return error.retryable;
    });
  });
});
