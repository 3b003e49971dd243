// The whole contract with three servers and TLS: sessions are at one of them, which is the one that is restarted.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LONGEST_SESSION_MS } from "../../lib/zookeeper/contract/fixture.ts";
import { describeCoordinationContract } from "../../lib/zookeeper/contract_suite.ts";
import { makeCertificates } from "../harness/certificates.ts";
import { startEnsemble } from "../harness/zookeeper.ts";

describeCoordinationContract("an ensemble over TLS", async () => {
  const directory = await mkdtemp(join(tmpdir(), "nodepool-ensemble-"));
  const [forServers, tls] = await makeCertificates(directory, ["server", "client"]);
  assert.ok(forServers && tls);
  const servers = await startEnsemble(3, { tls: forServers, longestSessionMs: LONGEST_SESSION_MS });
  const [first] = servers;
  assert.ok(first);
  return {
    host: first.host,
    port: first.port,
    secure: { port: first.securePort, tls },
    restart: () => first.restart(),
    close: async () => {
      await Promise.all(servers.map((server) => server.close()));
      await rm(directory, { recursive: true });
    },
  };
});
