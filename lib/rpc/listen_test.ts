import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createSocketServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { silentLogger } from "../std/logger.ts";
import { connectClients } from "./client.ts";
import { ProviderServiceDefinition } from "./gen/nodepool/v1/provider.ts";
import { createRpcServer } from "./server.ts";
import { rpcService } from "./service.ts";

const cleanups: (() => unknown)[] = [];
after(async () => {
  for (const clean of cleanups.reverse()) await clean();
});

test("a port in use and a bad address are one clear sentence each", async () => {
  const taken = createSocketServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  cleanups.push(() => taken.close());
  const address = taken.address();
  assert.ok(typeof address === "object" && address !== null);
  const server = createRpcServer({ services: [], logger: silentLogger });
  await assert.rejects(server.listen(`127.0.0.1:${address.port}`), {
    message: `cannot listen on 127.0.0.1:${address.port}: another process is listening there: stop it or choose another address`,
  });
  for (const bad of ["", "8990", "host", "host:99999", "unix:", "[::1]", "http://host:1"]) {
    await assert.rejects(server.listen(bad), /is no address/, bad);
  }
  await assert.rejects(server.listen("192.0.2.1:0"), /this machine has no such address/);
});

test("a unix socket in a folder that does not exist is told as that", async () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-listen-"));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const server = createRpcServer({ services: [], logger: silentLogger });
  await assert.rejects(
    server.listen(`unix:${folder}/none/socket`),
    /the socket's folder does not exist: create it/,
  );
});

async function serveAndCall(address: string): Promise<void> {
  const server = createRpcServer({
    services: [
      rpcService(ProviderServiceDefinition, {
        listProviders: async () => ({ providers: [{}] }),
        listAlienInstances: async () => ({}),
        listAlienImages: async () => ({}),
        releaseBrake: async () => ({}),
        eraseProviderData: async () => ({}),
      }),
    ],
    logger: silentLogger,
  });
  const port = await server.listen(address);
  const reached = address.replace(/:0$/, `:${port}`);
  const clients = connectClients({ launcherAddress: reached, builderAddress: reached });
  assert.equal((await clients.providers.listProviders({})).providers.length, 1);
  clients.close();
  await server.stop(1000);
}

test("IPv6 loopback serves", () => serveAndCall("[::1]:0"));

test("a unix socket serves, a dead one's file is taken over, and a living one is left alone", async () => {
  const folder = mkdtempSync(join(tmpdir(), "nodepool-rpc-"));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "launcher.sock");
  await serveAndCall(`unix:${path}`);
  await serveAndCall(`unix://${path}`);

  const living = createSocketServer().listen(join(folder, "first.sock"));
  await once(living, "listening");
  renameSync(join(folder, "first.sock"), path);
  const server = createRpcServer({ services: [], logger: silentLogger });
  await assert.rejects(server.listen(`unix:${path}`), /another process is listening there/);
  living.close();
  await once(living, "close");
  await serveAndCall(`unix:${path}`);

  writeFileSync(join(folder, "file"), "not ours");
  for (const there of [join(folder, "file"), folder]) {
    await assert.rejects(server.listen(`unix:${there}`), {
      name: "AddressError",
      message: `cannot listen on unix:${there}: what is there is no socket: choose another path`,
    });
  }
  assert.equal(readFileSync(join(folder, "file"), "utf8"), "not ours");
  const below = `unix:${join(folder, "file", "x.sock")}`;
  await assert.rejects(server.listen(below), /^AddressError: cannot listen on/);
});
