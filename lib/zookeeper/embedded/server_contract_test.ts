import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../../test/harness/ports.ts";
import { silentLogger } from "../../std/logger.ts";
import { REAP_INTERVAL_MS } from "../contract/fixture.ts";
import { type ContractServer, describeCoordinationContract } from "../contract_suite.ts";
import { startEmbeddedServer } from "./server.ts";

describeCoordinationContract("embedded", async (): Promise<ContractServer> => {
  const directory = await mkdtemp(join(tmpdir(), "nodepool-embedded-"));
  const start = (port: number) => {
    const timing = { reapIntervalMs: REAP_INTERVAL_MS };
    return startEmbeddedServer({ dataDir: directory, port, logger: silentLogger, ...timing });
  };
  let server = await start(await freePort());
  const { host, port } = server;
  return {
    host,
    port,
    restart: async () => {
      await server.close();
      server = await start(port);
    },
    close: async () => {
      await server.close();
      await rm(directory, { recursive: true });
    },
  };
});
