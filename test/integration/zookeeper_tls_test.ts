import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { silentLogger } from "../../lib/std/logger.ts";
import type { TlsFiles } from "../../lib/zookeeper/connection.ts";
import { LONGEST_SESSION_MS, PATIENCE_MS, refused, within } from "../../lib/zookeeper/contract/fixture.ts";
import { connectInVain } from "../../lib/zookeeper/contract/scripted_sessions.ts";
import { connectSession, type ZooKeeperSession } from "../../lib/zookeeper/session.ts";
import { type Certificate, makeCertificates } from "../harness/certificates.ts";
import { startZooKeeper, type ZooKeeperServer, zooKeeperInstalled } from "../harness/zookeeper.ts";

const skip = zooKeeperInstalled ? false : "needs the package zookeeper";

describe("ZooKeeper over TLS", { skip }, () => {
  let directory: string;
  let server: ZooKeeperServer;
  let client: Certificate;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "nodepool-tls-"));
    const [forServer, forClient] = await makeCertificates(directory, ["server", "client"]);
    assert.ok(forServer && forClient);
    client = forClient;
    server = await startZooKeeper({ tls: forServer, longestSessionMs: LONGEST_SESSION_MS });
  });
  after(async () => {
    await server.close();
    await rm(directory, { recursive: true });
  });

  const sessions: ZooKeeperSession[] = [];
  afterEach(async () => {
    await Promise.all(sessions.splice(0).map((session) => session.close()));
  });

  const connect = (tls: TlsFiles, sessionTimeoutMs = LONGEST_SESSION_MS) => {
    const session = connectSession({
      servers: [{ host: server.host, port: server.securePort }],
      tls,
      sessionTimeoutMs,
      logger: silentLogger,
    });
    sessions.push(session);
    return session;
  };

  it("serves a client whose certificate the authority has signed", async () => {
    const session = connect(client);
    await within(PATIENCE_MS, session.connected(), "connect");
    assert.equal(await session.create("/secure", new Uint8Array([1]), "persistent"), "/secure");
  });

  it("reads the files anew for each connection, so certificates can be renewed", async () => {
    const files = { cert: join(directory, "live.pem"), key: join(directory, "live.key"), ca: client.ca };
    await copyFile(client.cert, files.cert);
    await copyFile(client.key, files.key);
    // It says after so long without a connection that there is none.
    const session = connect(files, 3000);
    await within(PATIENCE_MS, session.connected(), "connect");
    const [renewed] = await makeCertificates(join(directory, "other"), ["client"]);
    assert.ok(renewed);
    await copyFile(renewed.cert, files.cert);
    await copyFile(renewed.key, files.key);
    await server.restart();
    await refused(within(PATIENCE_MS, session.get("/"), "an answer"), "CONNECTION_LOSS");
    await copyFile(client.cert, files.cert);
    await copyFile(client.key, files.key);
    await within(PATIENCE_MS, session.connected(), "connect again");
    assert.ok(await session.exists("/"));
  });

  it("refuses a server of another authority, and says what is missing when a file is", async () => {
    const [stranger] = await makeCertificates(join(directory, "stranger"), ["client"]);
    assert.ok(stranger);
    for (const [tls, message] of [
      [{ ...client, ca: stranger.ca }, /CONNECTION_LOSS.*certificate/i],
      [{ ...client, key: join(directory, "none.key") }, /CONNECTION_LOSS.*none\.key/],
    ] as const) {
      const servers = [{ host: server.host, port: server.securePort }];
      const { outcome } = connectInVain({ servers, tls });
      await assert.rejects(within(PATIENCE_MS, outcome, "the failure"), message);
    }
  });
});
