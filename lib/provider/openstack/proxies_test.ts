import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { makeCertificates } from "../../../test/harness/certificates.ts";
import { CloudConfigError } from "../../config/clouds/files.ts";
import { systemClock } from "../../std/clock.ts";
import { sendFile } from "../send_file.ts";
import { HttpConnections } from "./http.ts";
import { readProxies } from "./proxies.ts";

describe("proxies of the environment", () => {
  test("are taken in either case and without a scheme; empty ones are none", () => {
    assert.deepEqual(readProxies({ HTTP_PROXY: "p:3128", https_proxy: "http://q:1", NO_PROXY: "" }), {
      http_proxy: "http://p:3128",
      https_proxy: "http://q:1",
    });
  });

  test("do not count for names that NO_PROXY has, and for those below them", () => {
    const { no_proxy } = readProxies({ NO_PROXY: "example.org, .inside, *.lab, 10.0.0.1,[::1]" });
    assert.equal(no_proxy, "example.org,.example.org,.inside,*.lab,10.0.0.1,[::1]");
  });

  test("of another kind are refused, without the password that may be in them", () => {
    for (const HTTPS_PROXY of ["socks5://u:hunter2@p:1080", "http://u:hunter2@"]) {
      assert.throws(
        () => readProxies({ HTTPS_PROXY }),
        (error) =>
          error instanceof CloudConfigError &&
          /HTTPS_PROXY of the environment is no HTTP proxy: set it/.test(error.message) &&
          !error.message.includes("hunter2"),
      );
    }
  });

  describe("between us and a cloud", () => {
    const signal = AbortSignal.timeout(300_000);
    const SIZE = 2 ** 21;
    const asked: string[] = [];
    const servers: Server[] = [];
    const sockets = new Set<Socket>();
    let folder: string;
    let env: Record<string, string>;
    let service: URL;
    let caFile: string | null;

    const listen = async (server: Server): Promise<number> => {
      servers.push(server);
      server.on("connection", (socket) => sockets.add(socket));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return (server.address() as AddressInfo).port;
    };

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "nodepool-proxy-"));
      await writeFile(join(folder, "image.raw"), new Uint8Array(SIZE));
      const [files] = await makeCertificates(folder, ["localhost"]);
      assert.ok(files);
      caFile = files.ca;
      const tls = { cert: await readFile(files.cert), key: await readFile(files.key) };
      const target = createTlsServer(tls, async (request, response) => {
        let size = 0;
        for await (const part of request) size += part.length;
        response.end(`${size}`);
      });
      service = new URL(`https://localhost:${await listen(target)}/file`);
      const proxy = createServer((request, response) => {
        asked.push(`${request.method} ${request.url}`);
        response.end("by the proxy");
      });
      proxy.on("connect", (request, socket: Socket) => {
        asked.push(`CONNECT ${request.url}`);
        const there = connect(Number(service.port), "127.0.0.1", () => {
          socket.write("HTTP/1.1 200 OK\r\n\r\n");
          socket.pipe(there).pipe(socket);
        });
        for (const end of [there, socket]) end.on("error", () => end.destroy());
      });
      const address = `http://127.0.0.1:${await listen(proxy)}`;
      env = { HTTP_PROXY: address, HTTPS_PROXY: address };
    });
    after(async () => {
      for (const socket of sockets) socket.destroy();
      for (const server of servers) server.close();
      await rm(folder, { recursive: true });
    });

    /** Makes a call with this environment; what the proxy was asked for, and what came of it. */
    async function call(url: URL, given: Record<string, string>, file: string | null = null) {
      const cloud = { name: "c", source: "a test", verify: true, caFile, certFile: null, keyFile: null };
      const connections = await HttpConnections.open(cloud, given, systemClock);
      asked.length = 0;
      const body = file === null ? "" : (target: Writable) => sendFile(file, target, signal);
      const headers = file === null ? {} : { "content-length": `${SIZE}` };
      try {
        const made = { method: "PUT", url, headers, body, isFresh: file !== null, signal };
        const { text } = await connections.call(made);
        return { text, asked: [...asked] };
      } finally {
        connections.close();
      }
    }

    test("take calls to it by HTTP", async () => {
      const url = new URL("http://cloud.example.org:5000/v3");
      assert.deepEqual(await call(url, env), { text: "by the proxy", asked: [`PUT ${url}`] });
    });

    test("let calls through to it by HTTPS, images too", async () => {
      const tunnel = `CONNECT ${service.host}`;
      assert.deepEqual(await call(service, env), { text: "0", asked: [tunnel] });
      const path = join(folder, "image.raw");
      assert.deepEqual(await call(service, env, path), { text: `${SIZE}`, asked: [tunnel] });
    });

    test("are not asked for a cloud that NO_PROXY names", async () => {
      assert.deepEqual(await call(service, { ...env, NO_PROXY: "localhost" }), { text: "0", asked: [] });
    });

    test("do not make a cloud trusted whose authority is not", async () => {
      caFile = null;
      await assert.rejects(call(service, env), /certificate/i);
    });
  });
});
